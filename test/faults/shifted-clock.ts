/**
 * Loaded before the pipeline by scenario F16: the process's wall clock goes right for 6 s, then an hour ahead for 8 s,
 * then an hour behind for 20 s, then right again. What counts time by the monotonic clock is not touched.
 */
const HOUR = 3_600_000
const began = performance.now()
const RealDate = Date
const realNow = Date.now

function shift(): number {
  const seconds = (performance.now() - began) / 1000
  if (seconds < 6 || seconds > 34) return 0
  return seconds < 14 ? HOUR : -HOUR
}

const now = (): number => realNow() + shift()

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args) => (args.length === 0 ? new target(now()) : Reflect.construct(target, args)),
  apply: () => new RealDate(now()).toString(),
  get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
})

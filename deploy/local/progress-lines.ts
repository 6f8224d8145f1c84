import type { Progress } from '../../pipeline/progress.ts'

const EVERY_MS = 5000

/** A line every few seconds: how fast, how far behind, how much was flagged. Ends with the signal. */
export function reportProgress(progress: Progress, signal: AbortSignal): void {
  let last = { stored: progress.stored, at: performance.now() }
  const timer = setInterval(() => {
    const now = { stored: progress.stored, at: performance.now() }
    const rate = Math.round(((now.stored - last.stored) * 1000) / (now.at - last.at))
    console.log(`${rate} tx/s, lag ${progress.lag}, ${now.stored} stored, ${progress.anomalies} anomalies`)
    last = now
  }, EVERY_MS)
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}

/**
 * Waits for work that may take long, and lets a heartbeat go on meanwhile: it must not look like a dead member.
 * @throws what the work throws, or the heartbeat: that is for kafkajs, which joins the group anew (tulios/kafkajs#1719)
 */
export async function whileAlive<T>(
  work: Promise<T>,
  heartbeat: () => Promise<void>,
  everyMs: number,
): Promise<T> {
  const { promise: failed, reject } = Promise.withResolvers<never>()
  let isOver = false
  const nextBeat = () => setTimeout(() => heartbeat().then(beaten, reject), everyMs)
  const beaten = () => {
    if (!isOver) timer = nextBeat()
  }
  let timer = nextBeat()
  try {
    return await Promise.race([work, failed])
  } finally {
    isOver = true
    clearTimeout(timer)
    // Of the two one goes on, and nobody waits for it any more.
    work.catch(() => {})
    failed.catch(() => {})
  }
}

/** Waits for work, but not beyond the signal. @throws what the work throws */
export async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise: aborted, resolve: abort } = Promise.withResolvers<void>()
  const listener = () => abort()
  signal.addEventListener('abort', listener)
  try {
    await Promise.race([work, aborted])
  } finally {
    // A signal that lives as long as the process would keep one of each wait.
    signal.removeEventListener('abort', listener)
  }
}

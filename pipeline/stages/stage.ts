import { Transform } from 'node:stream'
import type { Batch } from '../batch.ts'

/**
 * A stage of the stream: a function that takes a batch and gives it back, further on. Batches of a partition that is
 * not ours any more end here.
 * @param size batches that wait before the stage, at most
 * @param took is told the seconds that a batch was in it
 */
export function stage(
  size: number,
  step: (batch: Batch) => Batch | Promise<Batch>,
  took: (seconds: number) => void = () => {},
): Transform {
  return new Transform({
    objectMode: true,
    writableHighWaterMark: size,
    readableHighWaterMark: 1,
    transform(batch: Batch, _encoding, callback) {
      if (batch.owner.lost) return callback()
      const began = performance.now()
      const isOver = () => took((performance.now() - began) / 1000)
      try {
        const result = step(batch)
        if (result instanceof Promise) {
          result.then((done) => {
            isOver()
            callback(null, done)
          }, callback)
          return
        }
        isOver()
        // In a turn of its own: run in one chain, the stages would keep the lanes' sockets waiting.
        setImmediate(callback, null, result)
      } catch (error) {
        callback(error as Error)
      }
    },
  })
}

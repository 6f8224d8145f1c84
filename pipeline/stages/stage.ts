import { Transform } from 'node:stream'
import type { Batch } from '../batch.ts'

/**
 * A stage of the stream: a function that takes a batch and gives it back, further on. Batches of a partition that is
 * not ours any more end here.
 * @param size batches that wait before the stage, at most
 */
export function stage(size: number, step: (batch: Batch) => Batch | Promise<Batch>): Transform {
  return new Transform({
    objectMode: true,
    writableHighWaterMark: size,
    readableHighWaterMark: 1,
    transform(batch: Batch, _encoding, callback) {
      if (batch.owner.lost) return callback()
      try {
        const result = step(batch)
        if (result instanceof Promise) result.then((done) => callback(null, done), callback)
        // In a turn of its own: run in one chain, the stages would keep the lanes' sockets waiting.
        else setImmediate(callback, null, result)
      } catch (error) {
        callback(error as Error)
      }
    },
  })
}

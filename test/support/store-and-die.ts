import { armFailpoint } from '../../pipeline/failpoint.ts'
import { movesOf } from '../../pipeline/store/moves.ts'
import { postgresSessions } from '../../pipeline/store/session.ts'
import { batchOf } from './batches.ts'
import { transaction } from './transactions.ts'

/** A process that stores chunks of given sizes and is killed at a failpoint: `<url> <failpoint> <bytes> ...`. */

const [connectionString, point, ...sizes] = process.argv.slice(2)
const session = await postgresSessions({ connectionString, application_name: 'weir-test' })(() => {})
armFailpoint(point)
const batches = [batchOf([transaction()])]
await session.store(
  sizes.map((size) => Buffer.alloc(Number(size), 'r')),
  batches,
  movesOf(batches),
)

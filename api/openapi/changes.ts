import { z } from '@hono/zod-openapi'
import { count, id, rowVersion, status, text, time } from './values.ts'

/** What changes of status answer. */

export const changed = z
  .strictObject({
    transaction_id: id('T-1042'),
    new_status: status,
    message: text(2000).openapi({ example: 'The status was changed from NEW to FRAUD.' }),
  })
  .openapi('Changed')

export const bulkChanged = z
  .strictObject({
    data: z
      .array(
        z.strictObject({
          transaction_id: id('T-1042'),
          timestamp: time(),
          previous_status: status,
          new_status: status,
          version: rowVersion,
        }),
      )
      .max(1000)
      .openapi({ description: 'One for each item, in the order of the call.' }),
    count: count.openapi({ example: 2 }),
    changed: count.openapi({ description: 'The others had the status already.', example: 1 }),
  })
  .openapi('BulkChanged')

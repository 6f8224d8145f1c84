import { z } from '@hono/zod-openapi'
import {
  channel,
  code,
  count,
  currency,
  id,
  money,
  nextCursor,
  number,
  score,
  status,
  text,
  time,
  version,
} from './values.ts'

/** Transactions and what belongs to them, as answers show them. */

const name = text(200)

const reason = z
  .strictObject({
    code,
    score: score.optional(),
    message: text().optional().openapi({ example: 'The amount is 18 standard deviations above the mean.' }),
    checks: z
      .array(
        z.strictObject({
          feature: name,
          operator: z.enum(['>=', '<=', '>', '<', '==']),
          limit: number,
          value: number.nullable(),
        }),
      )
      .max(100)
      .optional()
      .openapi({ description: 'Of a rule: the features that it compares with a limit.' }),
    contributions: z
      .array(z.strictObject({ input: name, value: number.nullable(), contribution: number }))
      .max(100)
      .optional()
      .openapi({ description: 'Of the model: the inputs that raised its score most.' }),
  })
  .openapi('Reason')

const features = z.record(name, z.union([number, text(), z.boolean(), z.null()])).openapi('Features', {
  maxProperties: 500,
  description: 'What the decision was made of. Unknown is null.',
  example: { amount: 18357.96, account_mean: 119.34, deviation: 18.13, home: 'Oulu' },
})

const columns = {
  transaction_id: id('T-1042'),
  account_id: id('ACC-7'),
  timestamp: time(),
  amount: money('18357.9600'),
  currency,
  merchant_id: text().nullable().openapi({ example: 'M-31' }),
  merchant_category: text().openapi({ example: 'Electronics' }),
  location: text().openapi({ example: 'New York' }),
  channel,
  is_fraud: z.boolean().nullable().openapi({ description: 'A label that the source knew.', example: null }),
  score,
  is_anomaly: z.boolean().openapi({ example: true }),
  alert_reason: code.nullable().openapi({ description: 'The code of the main reason.' }),
  reasons: z.array(reason).max(1000).nullable(),
  features: features.nullable(),
  status: status.nullable(),
  rules_version: version('rules-0123456789ab'),
  model_version: version('isolation-forest-0123456789ab'),
  kafka_partition: z.int().min(0).max(2_147_483_647).openapi({ format: 'int32', example: 3 }),
  kafka_offset: count.openapi({ example: 42 }),
}

const transaction = z.strictObject(columns).openapi('Transaction', {
  description:
    'A transaction with the decision about it. Reasons, features and status are of anomalies only.',
})

export const transactionList = z
  .strictObject({
    data: z.array(transaction).max(1000),
    count: count.openapi({ description: 'Items in this answer.', example: 1 }),
    next_cursor: nextCursor,
  })
  .openapi('TransactionList')

const known = (description: string, example: number) => number.nullable().openapi({ description, example })

const normal = z
  .strictObject({
    usual_amount: known('A usual amount, which single high ones do not pull up.', 59.99),
    mean: known('Mean of the amounts before.', 119.34),
    deviation: known('Standard deviations between the mean and this amount.', 18.13),
    transactions: known('Transactions before this one.', 112),
    amount_ratio: known('This amount / the usual one.', 306.01),
    mean_30d: known('Mean of 30 days.', 101.5),
    std_30d: known('Standard deviation of 30 days.', 77.25),
    home: text().nullable().openapi({ description: 'Where most of it happens.', example: 'Oulu' }),
  })
  .openapi('Normal', {
    description: 'What was normal for the account at that time, from the features. Unknown is null.',
  })

const earlier = z
  .strictObject({
    transaction_id: id('T-990'),
    timestamp: time('2026-11-02T17:05:12.000Z'),
    amount: money('640.0000'),
    currency,
    merchant_id: columns.merchant_id,
    score,
    alert_reason: columns.alert_reason,
    status: status.nullable(),
  })
  .openapi('EarlierAnomaly')

const auditEntry = z
  .object({
    previous_status: status,
    new_status: status,
    note: text(2000).nullable().openapi({ example: 'Called: not me.' }),
    actor: text(200).openapi({ example: 'API_KEY' }),
    changed_at: time('2026-11-24T10:02:11.480Z'),
  })
  .openapi('AuditEntry')

export const anomaly = z
  .strictObject({
    ...columns,
    normal,
    earlier_anomalies: z
      .array(earlier)
      .max(10)
      .openapi({ description: 'Of the same account, before this one, newest first.' }),
    audit: z.array(auditEntry).max(100).openapi({ description: 'The newest changes of status first.' }),
  })
  .openapi('Anomaly')

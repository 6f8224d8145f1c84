import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Env } from '../context.ts'
import { answer } from '../openapi/answers.ts'
import { MODELS_EXAMPLE, RULES_EXAMPLE } from '../openapi/examples.ts'
import { REFUSED, USUAL } from '../openapi/failures.ts'
import { code, count, number, score, text, time, version } from '../openapi/values.ts'
import type { Database } from '../sql/database.ts'
import { listModels, listRuleSets } from '../sql/registry.ts'

/** What decides, for whoever must tell why a transaction was flagged. */

const ruleSet = z
  .strictObject({
    version: version('rules-0123456789ab'),
    rules: z
      .array(
        z.strictObject({
          code,
          score,
          when: text().openapi({ description: 'The condition, in CEL.', example: 'amount >= 5000.0' }),
          message: text().openapi({ example: 'The amount of {amount} is at least 5000.' }),
        }),
      )
      .max(10_000),
    created_at: time(),
    started_at: time().openapi({ description: 'When a pipeline last began with them.' }),
  })
  .openapi('RuleSet')

const model = z
  .strictObject({
    version: version('lightgbm-0123456789ab'),
    kind: text(200).openapi({ example: 'lightgbm' }),
    features: z
      .array(text(200))
      .max(1000)
      .openapi({ example: ['amount', 'deviation'] }),
    trained_from: time().nullable(),
    trained_to: time().nullable(),
    metrics: z
      .record(text(200), number)
      .openapi('Metrics', { maxProperties: 1000, example: { average_precision: 0.71 } }),
    created_at: time(),
    is_active: z.boolean(),
    activated_at: time().nullable(),
  })
  .openapi('Model')

const listOf = <T extends z.ZodType>(item: T, name: string) =>
  z
    .strictObject({
      in_force: version('rules-0123456789ab')
        .nullable()
        .openapi({ description: 'Its version; null if none is.' }),
      data: z.array(item).max(1000),
      count: count.openapi({ example: 1 }),
    })
    .openapi(name)

const rules = createRoute({
  method: 'get',
  path: '/rules',
  operationId: 'listRules',
  tags: ['decisions'],
  summary: 'The rules, and which are in force',
  description:
    'As pipelines began with them, the last first: an item’s rules_version is one of these. While pipelines with different rules run, the ones that began last count as in force.',
  responses: {
    200: answer('The rules.', listOf(ruleSet, 'RuleSetList'), RULES_EXAMPLE),
    ...USUAL,
    ...REFUSED,
  },
})

const models = createRoute({
  method: 'get',
  path: '/models',
  operationId: 'listModels',
  tags: ['decisions'],
  summary: 'The models, and which is in force',
  description: 'A pipeline serves the model that was in force when it began.',
  responses: {
    200: answer('The models.', listOf(model, 'ModelList'), MODELS_EXAMPLE),
    ...USUAL,
    ...REFUSED,
  },
})

export function registryRoutes(database: Database): OpenAPIHono<Env> {
  return new OpenAPIHono<Env>()
    .openapi(rules, async (c) => {
      const data = await listRuleSets(database.query)
      return c.json({ in_force: data[0]?.version ?? null, data, count: data.length }, 200)
    })
    .openapi(models, async (c) => {
      const data = await listModels(database.query)
      const in_force = data.find((model) => model.is_active)?.version ?? null
      return c.json({ in_force, data, count: data.length }, 200)
    })
}

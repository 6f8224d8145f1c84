import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { labelSchemaText } from './label.ts'
import { avroOptions, transactionSchemaText } from './transaction.ts'

const TIMEOUT_MS = 10_000

/** A request that is never answered would be waited for, and with it every later one for the same schema. */
const limitTime: Middleware = () => ({
  prepareRequest: async (next) => (await next()).enhance({ timeout: TIMEOUT_MS }),
})
type Middleware = NonNullable<ConstructorParameters<typeof SchemaRegistry>[0]['middlewares']>[number]

/** The schema registry, with our decimals. `retry` is off: the callers' own policies decide. */
export function createRegistry(url: string): SchemaRegistry {
  return new SchemaRegistry(
    { host: url, clientId: 'weir', retry: { retries: 0 }, middlewares: [limitTime] },
    { [SchemaType.AVRO]: avroOptions() },
  )
}

/**
 * Reads schemas. What stands before a registry may answer in its stead, a load balancer's 404 or a page of maintenance:
 * "there is no such schema" and "it cannot be used" count only when the registry itself has said so.
 */
export function createSchemaReader(url: string): Pick<SchemaRegistry, 'getSchema'> {
  const registry = createRegistry(url)
  return {
    async getSchema(id) {
      try {
        return await registry.getSchema(id)
      } catch (error) {
        const { status } = error as { status?: number }
        if (status !== 404 && status !== undefined) throw error
        if (!(await hasSchema(url, id))) throw error
        return registry.getSchema(id)
      }
    },
  }
}

/** @throws when the answer is none of a registry */
async function hasSchema(url: string, id: number): Promise<boolean> {
  const response = await fetch(new URL(`schemas/ids/${id}`, `${url.replace(/\/$/, '')}/`), {
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  const body = (await response.json().catch(() => null)) as { schema?: unknown; error_code?: unknown } | null
  if (typeof body?.schema === 'string') return true
  if (response.status === 404 && typeof body?.error_code === 'number') return false
  throw new Error(`what answers at ${url} (SCHEMA_REGISTRY_URL) is no schema registry: ${response.status}`)
}

/** Subject of a topic's values, by Confluent's usual strategy. */
export const subjectOf = (topic: string): string => `${topic}-value`

/**
 * The id to write transactions with: registered if allowed and missing, else that of the subject's latest version.
 * @throws when the registry is away, refuses the schema, or has none and none may be registered
 */
export const transactionSchemaId = (url: string, topic: string, mayRegister: boolean): Promise<number> =>
  schemaId(url, topic, transactionSchemaText, mayRegister)

/** The same for labels. */
export const labelSchemaId = (url: string, topic: string, mayRegister: boolean): Promise<number> =>
  schemaId(url, topic, labelSchemaText, mayRegister)

async function schemaId(url: string, topic: string, schema: string, mayRegister: boolean): Promise<number> {
  const registry = createRegistry(url)
  const subject = subjectOf(topic)
  if (!mayRegister) return registry.getLatestSchemaId(subject)
  const { id } = await registry.register(
    { type: SchemaType.AVRO, schema },
    { subject, compatibility: COMPATIBILITY.BACKWARD },
  )
  return id
}

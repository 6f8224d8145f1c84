import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { labelSchemaText } from './label.ts'
import {
  askRegistry,
  explainRegistry,
  type RegistryAccess,
  registryAddress,
  registryAgent,
  registryCredentials,
} from './registry-access.ts'
import { avroOptions, transactionSchemaText } from './transaction.ts'

const TIMEOUT_MS = 10_000

type Middleware = NonNullable<ConstructorParameters<typeof SchemaRegistry>[0]['middlewares']>[number]

/**
 * The schema registry, with our decimals. `retry` is off: the callers' own policies decide.
 * @throws SettingsError when the file of its authority cannot be used
 */
export function createRegistry(access: RegistryAccess): SchemaRegistry {
  // A request that is never answered would be waited for, and with it every later one for the same schema.
  const prepare: Middleware = () => ({
    prepareRequest: async (next) =>
      (await next()).enhance({ timeout: TIMEOUT_MS, auth: registryCredentials(access) }),
  })
  return new SchemaRegistry(
    {
      host: registryAddress(access),
      clientId: 'weir',
      retry: { retries: 0 },
      agent: registryAgent(access),
      middlewares: [prepare],
    },
    { [SchemaType.AVRO]: avroOptions() },
  )
}

/**
 * Reads schemas. What stands before a registry may answer in its stead, a load balancer's 404 or a page of maintenance:
 * "there is no such schema" and "it cannot be used" count only when the registry itself has said so.
 */
export function createSchemaReader(access: RegistryAccess): Pick<SchemaRegistry, 'getSchema'> {
  const registry = createRegistry(access)
  return {
    async getSchema(id) {
      try {
        return await registry.getSchema(id)
      } catch (error) {
        const { status } = error as { status?: number }
        if (status !== 404 && status !== undefined) throw explainRegistry(error as Error, access)
        if (!(await hasSchema(access, id))) throw error
        return registry.getSchema(id)
      }
    },
  }
}

/** @throws when the answer is none of a registry */
async function hasSchema(access: RegistryAccess, id: number): Promise<boolean> {
  const { status, body } = await askRegistry(access, `schemas/ids/${id}`, TIMEOUT_MS)
  const { schema, error_code } = (body ?? {}) as { schema?: unknown; error_code?: unknown }
  if (typeof schema === 'string') return true
  if (status === 404 && typeof error_code === 'number') return false
  throw new Error(
    `what answers at ${registryAddress(access)} (SCHEMA_REGISTRY_URL) is no schema registry: ${status}`,
  )
}

/** Subject of a topic's values, by Confluent's usual strategy. */
export const subjectOf = (topic: string): string => `${topic}-value`

/**
 * The id to write transactions with: registered if allowed and missing, else that of the subject's latest version.
 * @throws when the registry is away, refuses the schema, or has none and none may be registered
 */
export const transactionSchemaId = (
  access: RegistryAccess,
  topic: string,
  mayRegister: boolean,
): Promise<number> => schemaId(access, topic, transactionSchemaText, mayRegister)

/** The same for labels. */
export const labelSchemaId = (access: RegistryAccess, topic: string, mayRegister: boolean): Promise<number> =>
  schemaId(access, topic, labelSchemaText, mayRegister)

async function schemaId(
  access: RegistryAccess,
  topic: string,
  schema: string,
  mayRegister: boolean,
): Promise<number> {
  const registry = createRegistry(access)
  const subject = subjectOf(topic)
  try {
    if (!mayRegister) return await registry.getLatestSchemaId(subject)
    const { id } = await registry.register(
      { type: SchemaType.AVRO, schema },
      { subject, compatibility: COMPATIBILITY.BACKWARD },
    )
    return id
  } catch (error) {
    throw explainRegistry(error as Error, access)
  }
}

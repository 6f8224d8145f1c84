import type pg from 'pg'
import { type AuditAction, appendAudit } from '../../schemas/audit.ts'
import { type Artifact, versionOf } from './artifact.ts'
import { defaultArtifact, type Model, openModel } from './model.ts'

/** The table `models`: every model that was trained or shipped, and the one that is in force. */

export interface StoredModel {
  version: string
  kind: string
  features: string[]
  trained_from: Date | null
  trained_to: Date | null
  metrics: Record<string, number>
  created_at: Date
  is_active: boolean
  /** When it was last put in force; null if never, or if it was rolled back since. */
  activated_at: Date | null
}

const COLUMNS =
  'version, kind, features, trained_from, trained_to, metrics, created_at, is_active, activated_at'

/** Keeps a model. Storing the same one again changes nothing. */
export async function storeModel(client: pg.ClientBase, artifact: Artifact): Promise<string> {
  const version = versionOf(artifact)
  const { kind, features, trained_from, trained_to, metrics } = artifact
  const values = [
    version,
    kind,
    JSON.stringify(artifact),
    features,
    trained_from,
    trained_to,
    JSON.stringify(metrics),
  ]
  await explained(
    client.query(
      `INSERT INTO models (version, kind, artifact, features, trained_from, trained_to, metrics)
       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (version) DO NOTHING`,
      values,
    ),
  )
  return version
}

/** All models, the newest first. */
export async function listModels(client: pg.ClientBase): Promise<StoredModel[]> {
  const { rows } = await explained(
    client.query<StoredModel>(`SELECT ${COLUMNS} FROM models ORDER BY created_at DESC, version`),
  )
  return rows
}

/** @throws when there is no such model */
export async function readModel(
  client: pg.ClientBase,
  version: string,
): Promise<StoredModel & { artifact: unknown }> {
  const { rows } = await explained(
    client.query<StoredModel & { artifact: unknown }>(
      `SELECT ${COLUMNS}, artifact FROM models WHERE version = $1`,
      [version],
    ),
  )
  if (rows.length > 0) return rows[0]
  throw new Error(`there is no model ${version}; \`npm run models -- list\` shows those that there are`)
}

/**
 * Puts a stored model in force instead of the one that is.
 * @param actor who does it, for the audit
 * @returns the version that was in force before; null if there was none
 * @throws when there is no such model, or this version of the code cannot serve it
 */
export const activateModel = (
  client: pg.ClientBase,
  version: string,
  actor: string,
): Promise<string | null> =>
  inTurn(client, async () => {
    openModel((await readModel(client, version)).artifact)
    const previous = await putInForce(client, version)
    await audit(client, 'model.activate', actor, { version, previous })
    return previous
  })

/**
 * Puts the model in force again that was before the present one; once more, one before that: each model once.
 * @param actor who does it, for the audit
 * @throws when there was none, or this version of the code cannot serve it
 */
export const rollbackModel = (
  client: pg.ClientBase,
  actor: string,
): Promise<{ version: string; previous: string }> =>
  inTurn(client, async () => {
    const { rows } = await explained(
      client.query<{ version: string }>(
        `SELECT version FROM models WHERE activated_at IS NOT NULL
         ORDER BY is_active DESC, activated_at DESC LIMIT 2`,
      ),
    )
    const [present, earlier] = rows
    if (present === undefined) throw new Error('no model was ever active: the pipeline has not run yet')
    if (earlier === undefined)
      throw new Error(`no model was active before ${present.version}; \`npm run models -- list\` shows all`)
    openModel((await readModel(client, earlier.version)).artifact)
    await putInForce(client, earlier.version)
    // Else the next rollback would come back to it.
    await client.query('UPDATE models SET activated_at = NULL WHERE version = $1', [present.version])
    const change = { version: earlier.version, previous: present.version }
    await audit(client, 'model.rollback', actor, change)
    return change
  })

/** The active model, or the shipped one where there is none. Changes nothing. */
export async function readActiveModel(client: pg.ClientBase): Promise<Model> {
  return openModel((await activeArtifact(client)) ?? defaultArtifact())
}

/**
 * The active model; where there is none yet, the shipped one becomes it. That one is in the registry in any case: to be
 * activated when this version of the code cannot serve the active one.
 */
export async function loadActiveModel(client: pg.ClientBase): Promise<Model> {
  const shipped = await storeModel(client, defaultArtifact())
  const active = await activeArtifact(client)
  if (active !== null) return openModel(active)
  // By a function of the owner: the pipeline's role may not choose models. Of processes that start at the same time one is
  // first.
  await explained(client.query('SELECT activate_first_model($1)', [shipped]))
  return openModel(await activeArtifact(client))
}

async function activeArtifact(client: pg.ClientBase): Promise<unknown> {
  const { rows } = await explained(
    client.query<{ artifact: unknown }>('SELECT artifact FROM models WHERE is_active'),
  )
  return rows.length === 0 ? null : rows[0].artifact
}

async function putInForce(client: pg.ClientBase, version: string): Promise<string | null> {
  const { rows } = await client.query<{ version: string }>(
    'UPDATE models SET is_active = false WHERE is_active RETURNING version',
  )
  // Of the wall clock: now() is that of the transaction, which may have waited for its turn.
  await client.query(
    'UPDATE models SET is_active = true, activated_at = clock_timestamp() WHERE version = $1',
    [version],
  )
  return rows.length === 0 ? null : rows[0].version
}

const audit = (
  client: pg.ClientBase,
  action: AuditAction,
  actor: string,
  change: { version: string; previous: string | null },
): Promise<void> => appendAudit((text, values) => client.query(text, values), action, actor, change)

/**
 * Runs in a transaction that no other one that puts a model in force runs beside. (A lock of the table would need a right to
 * all of its columns.)
 */
async function inTurn<T>(client: pg.ClientBase, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN')
  try {
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('weir.models'))`)
    const result = await work()
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}) // the first error is the one to tell
    throw error
  }
}

const explained = <T>(query: Promise<T>): Promise<T> =>
  query.catch((cause) => {
    const hint = ['42P01', '42703', '42883'].includes(cause.code)
      ? '; is the database migrated? See `npm run migrate`'
      : ''
    throw new Error(`the table of models cannot be used: ${cause.message}${hint}`, { cause })
  })

import type pg from 'pg'
import { type Artifact, defaultArtifact, type Model, openModel, versionOf } from './model.ts'

/** The table `models`: every model that was trained or shipped, and which one is in force. */

/** Stores a model and makes it the active one of its kind. Storing the same one again changes nothing else. */
export async function activateModel(client: pg.ClientBase, artifact: Artifact): Promise<string> {
  const version = versionOf(artifact)
  await client.query('BEGIN')
  try {
    await insertModel(client, artifact, version)
    await client.query(
      'UPDATE models SET is_active = false WHERE kind = $1 AND is_active AND version <> $2',
      [artifact.kind, version],
    )
    await client.query('UPDATE models SET is_active = true WHERE version = $1', [version])
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}) // the first error is the one to tell
    throw error
  }
  return version
}

/** The active model; where there is none yet, the one that is shipped becomes it. */
export async function loadActiveModel(client: pg.ClientBase): Promise<Model> {
  const select = `SELECT artifact FROM models WHERE kind = 'isolation-forest' AND is_active`
  const { rows } = await client.query<{ artifact: unknown }>(select).catch((cause) => {
    const hint = cause.code === '42P01' ? '; is the database migrated? See `npm run migrate`' : ''
    throw new Error(`the active model cannot be read: ${cause.message}${hint}`, { cause })
  })
  if (rows.length > 0) return openModel(rows[0].artifact)
  await activateModel(client, defaultArtifact())
  return openModel((await client.query<{ artifact: unknown }>(select)).rows[0].artifact)
}

async function insertModel(client: pg.ClientBase, artifact: Artifact, version: string): Promise<void> {
  await client.query(
    `INSERT INTO models (version, kind, artifact, features, trained_from, trained_to, metrics)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (version) DO NOTHING`,
    [
      version,
      artifact.kind,
      JSON.stringify(artifact),
      artifact.features,
      artifact.trained_from,
      artifact.trained_to,
      JSON.stringify(artifact.metrics),
    ],
  )
}

import { existsSync, readFileSync } from 'node:fs'
import type pg from 'pg'
import { KINDS } from '../models/artifact.ts'
import { defaultArtifact, type Model, openModel } from '../models/model.ts'
import { readActiveModel, readModel } from '../models/store.ts'

/**
 * The model that decides where none is trained: a file of `npm run train -- --output`, a version of the registry, or
 * the shipped one by its kind. Unnamed, it is the active one, without a database the shipped one.
 * @param withDatabase runs with a connection; undefined where there is no database
 * @throws when there is no such model, with what there is
 */
export async function chooseModel(
  name: string | undefined,
  withDatabase: (<T>(use: (client: pg.Client) => Promise<T>) => Promise<T>) | undefined,
): Promise<Model> {
  if (name === undefined) return withDatabase ? withDatabase(readActiveModel) : openModel(defaultArtifact())
  const shipped = defaultArtifact()
  if (name === shipped.kind) return openModel(shipped)
  if (KINDS.some((kind) => kind === name))
    throw new Error(`the shipped model is no ${name}: train one, by --train-from and --train-until`)
  if (existsSync(name)) return openModel(readArtifact(name))
  if (withDatabase === undefined)
    throw new Error(`there is no file ${name}; for a model of the registry set DATABASE_URL`)
  return withDatabase(async (client) => openModel((await readModel(client, name)).artifact))
}

function readArtifact(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new Error(`${path} is no model's file: ${(cause as Error).message}`, { cause })
  }
}

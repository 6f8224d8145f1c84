import type { Query } from './database.ts'
import { isoTime } from './items.ts'

/** What decides: the rules that pipelines began with, and the models. */

export interface RuleSet {
  version: string
  rules: { code: string; score: number; when: string; message: string }[]
  created_at: string
  /** When a pipeline last began with it. */
  started_at: string
}

const MOST = 1000

/** The rules, those in force first: the ones that a pipeline began with last. */
export const listRuleSets = (query: Query): Promise<RuleSet[]> =>
  query<RuleSet>(
    `SELECT t.version, t.rules, ${isoTime('t.created_at')} AS created_at, ${isoTime('t.started_at')} AS started_at
     FROM rule_sets t ORDER BY t.started_at DESC, t.version LIMIT ${MOST}`,
  )

export interface ListedModel {
  version: string
  kind: string
  features: string[]
  trained_from: string | null
  trained_to: string | null
  metrics: Record<string, number>
  created_at: string
  is_active: boolean
  activated_at: string | null
}

/** The models without their artifacts, the newest first. */
export const listModels = (query: Query): Promise<ListedModel[]> =>
  query<ListedModel>(
    `SELECT t.version, t.kind, t.features, ${isoTime('t.trained_from')} AS trained_from,
            ${isoTime('t.trained_to')} AS trained_to, t.metrics, ${isoTime('t.created_at')} AS created_at, t.is_active,
            ${isoTime('t.activated_at')} AS activated_at
     FROM models t ORDER BY t.is_active DESC, t.created_at DESC, t.version LIMIT ${MOST}`,
  )

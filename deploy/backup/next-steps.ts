import type { Restored } from './restore.ts'

export interface Step {
  /** What to run; null where it is something to know. */
  command: string | null
  why: string
}

/** Keys that are named; `npm run keys -- list` has all. */
const MAX_KEYS = 10

/** What is to be done after a restore before Weir starts again: everything is as it was when the backup was made. */
export function nextSteps({ manifest: { facts }, valid_keys }: Restored): Step[] {
  const named = valid_keys.slice(0, MAX_KEYS).map(({ id, name }) => `${id} (${name})`)
  const more = valid_keys.length > MAX_KEYS ? `, and ${valid_keys.length - MAX_KEYS} more` : ''
  return [
    { command: 'npm run migrate', why: 'where this Weir is newer than the one that made the backup.' },
    {
      command: 'npm run keys -- list',
      why:
        valid_keys.length === 0
          ? 'no key of the API is valid: keys that were made since are gone.'
          : `keys that were revoked since ${facts.taken_at} are valid again, those made since are gone. Revoke what must ` +
            `not be used (npm run keys -- revoke ID). Valid now: ${named.join(', ')}${more}.`,
    },
    {
      command: 'npm run models -- list',
      why: 'the model in force is the one of that time; models trained since are gone.',
    },
    {
      command: 'npm run labels -- rewind',
      why:
        'with all pipelines stopped: labels that came since are read from Kafka again, with all others that the topic ' +
        'has; those that are there already change nothing.',
    },
    {
      command: 'npm run pipeline',
      why:
        "goes on from the backup's positions, whatever Kafka's group says: what came since is scored and stored again, " +
        'once. It ends with the size of the gap where Kafka has it no more. Its dead letters are sent again; whoever ' +
        'reads them knows them by their origin.',
    },
    {
      command: 'npm run audit -- verify',
      why:
        facts.audit === null
          ? 'the backup is from before the audit was a chain.'
          : `the chain goes on after row ${facts.audit.seq}, with a row that tells of this restore. Anchors of later rows ` +
            'are of what is lost: keep their file as it is, and begin a new one.',
    },
    {
      command: null,
      why:
        `statuses and notes that analysts set since ${facts.taken_at} are lost, with their labels. Accounts that were ` +
        'erased since and months that were dropped since are there again: do it again.',
    },
  ]
}

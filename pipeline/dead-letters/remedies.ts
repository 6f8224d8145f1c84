import type { RejectCode } from '../errors.ts'

/** What to do about a dead letter, by its code. docs/dead-letters.md shows the same texts. */
export const REMEDIES: Record<RejectCode, string> = {
  EMPTY_VALUE: 'Stop the producer from sending tombstones. There is nothing to replay.',
  NOT_FRAMED:
    "Let the producer use a serializer for the schema registry (Confluent's framing), and send the records anew. A replay sends the same bytes.",
  UNKNOWN_SCHEMA:
    'Register the schema, or point SCHEMA_REGISTRY_URL at the registry that the producer uses. A minute later, replay.',
  INCOMPATIBLE_SCHEMA:
    'Set the subject to BACKWARD compatibility, and send the records anew with a schema that can be read as weir.Transaction. Replay only after an upgrade of Weir that can read the schema.',
  UNDECODABLE:
    'Look for a producer that writes with another schema than the one whose id it sends, or for truncation on the way; send the records anew.',
  INVALID_TEXT: 'Remove NUL characters and repair the encoding (UTF-8) at the source; send the records anew.',
  INVALID_ID: 'Give the transaction and its account ids of 1 to 64 bytes of UTF-8; send the records anew.',
  INVALID_AMOUNT:
    'Send amounts from 0 to below 10^9; refunds are no negative amounts. Send the records anew.',
  INVALID_CURRENCY: "Send the currency's three letters (ISO 4217); send the records anew.",
  INVALID_TIMESTAMP:
    "Send milliseconds since 1970 UTC, and check the producer's clock. Where only the record's own Kafka time was behind, replay: the replayed record has a new one.",
  CONFLICT:
    'Find out why the producer uses an id twice. The first content stands; send a correction under an id of its own.',
  CONSTRAINT:
    'The message names the constraint, or the month that was detached from the table. If the constraint is wrong, drop it and replay; if the row is, send it anew.',
  INVALID_LABEL:
    'The message says what is wrong. Send a right label anew; a replay leaves out what came from another topic than that of the transactions.',
}

/** The remedy of a code that a letter holds; a newer version's codes are not known here. */
export const remedyOf = (code: string): string =>
  REMEDIES[code as RejectCode] ??
  'This version of Weir does not know the code: see the documentation of the newer one.'

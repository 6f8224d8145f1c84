import { setTimeout as sleep } from 'node:timers/promises'
import { COMPATIBILITY, SchemaType } from '@kafkajs/confluent-schema-registry'
import avro from 'avsc'
import { partitionOf } from '../../../pipeline/produce/partitioner.ts'
import { createRegistry, subjectOf } from '../../../schemas/registry.ts'
import { avroOptions, type Transaction, transactionSchemaText } from '../../../schemas/transaction.ts'
import { frame } from '../../../schemas/wire.ts'
import { query, until } from '../../harness.ts'
import { simulated } from '../../support/simulated.ts'
import { positions } from '../../support/tables.ts'
import { encoder, type KafkaSettings, takeAnything } from '../../support/topics.ts'
import { transaction } from '../../support/transactions.ts'
import { urlProxy } from '../proxy.ts'
import type { Ctx, Scenario } from '../scenario.ts'
import { disturbed, type Piece } from '../traffic.ts'
import { World } from '../world.ts'

const MB = 2 ** 20

export const poison: Scenario = {
  id: 'F11',
  title: 'one record in a hundred is poison, with the dead-letter topic away at first, and kill -9',
  quick: false,
  async run(ctx) {
    const bad: Piece[] = []
    const world = await World.open(ctx, { traffic: withPoison(bad, 100), rate: 400 })
    const { settings, sender } = world
    await takeAnything(settings)
    bad.push(...(await poisons(settings)))
    const nowhere = `${settings.DEAD_LETTER_TOPIC}-nowhere`
    sender.start()
    // Nothing may pass a record whose dead letter is not safe yet.
    const without = world.start({ DEAD_LETTER_TOPIC: nowhere, CREATE_TOPICS: false })
    const failed = () => without.errors.includes('storing failed')
    await until(failed, { seconds: 20, what: 'a dead letter that fails' }).catch(() => {})
    ctx.hold('X', failed(), 'a dead letter without a topic was no failure')
    await world.kill(without)

    const group = `${settings.KAFKA_GROUP_ID}-2`
    const second = world.start({ KAFKA_GROUP_ID: group })
    await until(async () => (await world.lag()) < 500, { seconds: 40, what: 'the backlog to be worked off' })
    await world.kill(second)
    world.start({ KAFKA_GROUP_ID: `${group}-3` })
    await world.untilProgress('progress after the kill')

    // Mended and sent again, by somebody who is careful and does it twice.
    await sender.stop()
    const mended = [...sender.sent.invalid].filter((id) => id.startsWith('invalid-')).slice(0, 20)
    for (const id of mended) {
      sender.sent.invalid.delete(id)
      sender.sent.contested.add(id)
    }
    const again = mended.map((id, i): Piece => {
      const good = { ...simulated(1, i + 500)[0], transaction_id: id }
      return { id, kind: 'conflict', transaction: good }
    })
    await sender.sendPieces([...again, ...again])
    await world.conclude()

    const stored = await query<{ n: number }>(
      settings.DATABASE_URL,
      'SELECT count(*) AS n FROM transactions WHERE transaction_id = ANY ($1)',
      [mended],
    )
    ctx.hold('X', stored[0].n === mended.length, `${stored[0].n} of ${mended.length} mended ones are rows`)
    const { letters } = world
    const codes = Map.groupBy(letters, (letter) => String(letter.headers?.['weir-code']))
    ctx.hold('X', codes.size >= 8, `only the codes ${[...codes.keys()]}`)
    const origins = new Set(
      letters.map(({ headers }) => `${headers!['weir-partition']}/${headers!['weir-offset']}`),
    )
    ctx.note(
      `${letters.length} dead letters of ${origins.size} records: ${[...codes].map(([code, list]) => `${code} ${list.length}`).join(', ')}`,
    )
  },
}

/** Traffic with one of `bad` among `distance` records; its own few invalid ones besides. */
function* withPoison(bad: Piece[], distance: number): Generator<Piece, never> {
  let n = 0
  for (const piece of disturbed({ seed: 11 })) {
    yield piece
    if (++n % distance !== 0) continue
    const number = n / distance
    const which = bad[(number - 1) % bad.length]
    // One of the largest is enough.
    const isLarge = 'value' in which && (which.value?.length ?? 0) > MB
    if (isLarge && number > bad.length) continue
    yield { ...which, id: `${which.id} ${number}` }
  }
  throw new Error('the traffic never ends')
}

/** One of each kind of record that cannot be processed. */
async function poisons(settings: KafkaSettings): Promise<Piece[]> {
  const encode = await encoder(settings)
  const good = encode(transaction({ location: 'LYON' })).value
  const changed = (at: number, ...bytes: number[]) => {
    const value = Buffer.from(good)
    Buffer.from(bytes).copy(value, at)
    return value
  }
  const of = (id: string, value: Buffer | null): Piece => ({ id, kind: 'invalid', key: null, value })
  const invalid = (id: string, changes: Partial<Transaction>) => of(id, encode(transaction(changes)).value)
  return [
    of('no value', null),
    of('empty value', Buffer.alloc(0)),
    of('truncated', good.subarray(0, 20)),
    of('wrong magic byte', changed(0, 1)),
    of('unknown schema id', changed(1, 0x7f, 0xff, 0xff, 0xf0)),
    of('JSON', Buffer.from('{"transaction_id":"t-1","amount":NaN}')),
    // A surrogate by itself, as some writers encode it.
    of('lone surrogate', changed(good.indexOf('LYON'), 0xed, 0xa0, 0x80)),
    of('10 MB', Buffer.concat([good.subarray(0, 5), Buffer.alloc(10 * MB, 7)])),
    invalid('negative', { amount: -1 }),
    invalid('huge', { amount: Number.MAX_SAFE_INTEGER }),
    invalid('year 9999', { timestamp: Date.UTC(9999, 0, 1) }),
    invalid('NUL', { location: 'Ly\0on' }),
    invalid('no id', { transaction_id: '' }),
    invalid('long account', { account_id: 'é'.repeat(33) }),
  ]
}

export const badRow: Scenario = {
  id: 'F12',
  title: 'one row of a batch of 10,000 breaks a constraint',
  quick: true,
  async run(ctx) {
    const addCheck = (url: string) =>
      query(url, `ALTER TABLE transactions ADD CONSTRAINT no_casino CHECK (merchant_category <> 'Casino')`)
    const rows = ctx.quick ? 4000 : 10_000
    const world = await World.open(ctx, {
      env: { TOPIC_PARTITIONS: '1', BATCH_MAX_RECORDS: '10000' },
      traffic: withCasino(rows / 2),
      prepareQuiet: addCheck,
    })
    await addCheck(world.settings.DATABASE_URL)
    await world.sender.send(rows)
    world.start()
    await until(async () => (await world.lag()) === 0, { seconds: 60, what: 'the batch' })
    const connections = await query<{ n: number }>(
      world.settings.DATABASE_URL,
      `SELECT count(*) AS n FROM pg_stat_activity
       WHERE application_name LIKE 'weir-pipeline-%' AND datname = current_database()`,
    )
    const most = world.settings.LANES + 1
    ctx.hold('R', connections[0].n <= most, `${connections[0].n} connections of at most ${most}`)
    const [{ dead_letters }] = await positions(world.settings.DATABASE_URL, world.settings.TRANSACTIONS_TOPIC)
    ctx.hold('X', dead_letters === 1, `${dead_letters} dead letters for one bad row`)
    await world.conclude()
  },
}

/** Ordinary traffic in which one transaction is refused by the scenario's constraint. */
function* withCasino(at: number): Generator<Piece, never> {
  let n = 0
  for (const piece of disturbed({ seed: 12, invalidEvery: 0, againEvery: 0 })) {
    if (++n === at) {
      const refused = transaction({ transaction_id: 'refused', merchant_category: 'Casino' })
      yield { id: 'refused', kind: 'invalid', transaction: refused }
    }
    yield piece
  }
  throw new Error('the traffic never ends')
}

export const registryAway: Scenario = {
  id: 'F13',
  title:
    'schemas v1 and v2 mixed; registry away with a warm, a partly and a wholly cold cache; an unknown id',
  quick: false,
  async run(ctx) {
    const writers: ((tx: Transaction) => Buffer)[] = []
    const world = await World.open(ctx, { traffic: mixedSchemas(writers) })
    const { settings, sender } = world
    const [older, newer, newest] = await registerVersions(settings)
    writers.push(older, newer)
    const registry = await urlProxy(ctx, settings.SCHEMA_REGISTRY_URL)
    const viaProxy = { SCHEMA_REGISTRY_URL: registry.url }
    sender.start()
    const warm = world.start(viaProxy)
    await world.untilProgress('the first progress')
    await sleep(1500)
    registry.refuse(true)
    await sleep(500)
    for (const step of [1, 2, 3]) {
      const seconds = await world.untilProgress(`progress ${step} with a warm cache and no registry`)
      ctx.hold('X', seconds < 3, `a warm cache and a pause of ${seconds.toFixed(1)} s`)
    }
    await oneWaits(ctx, world, newest)
    await world.terminate(warm)

    world.start({ ...viaProxy, KAFKA_GROUP_ID: `${settings.KAFKA_GROUP_ID}-cold` })
    await sleep(3000)
    const before = await world.progress()
    await sleep(3000)
    ctx.hold('X', (await world.progress()) === before, 'progress without a registry and with a cold cache')
    registry.refuse(false)
    const seconds = await world.untilProgress('progress once the registry is back')
    ctx.note(`went on ${seconds.toFixed(1)} s after the registry was back`)

    const value = Buffer.from(writers[0](transaction()))
    value.writeUInt32BE(0x7ffffff0, 1)
    await sender.sendPieces([{ id: 'unknown schema', kind: 'invalid', key: 'a-1', value }])
    await sleep(1000)
    await world.conclude()
    const unknown = world.letters.filter(
      (letter) => String(letter.headers?.['weir-code']) === 'UNKNOWN_SCHEMA',
    )
    ctx.hold('X', unknown.length === 1, `${unknown.length} dead letters UNKNOWN_SCHEMA`)
  },
}

/** A schema that the running process has not seen comes in one partition: that one stands before it, the others go on. */
async function oneWaits(ctx: Ctx, world: World, write: (tx: Transaction) => Buffer): Promise<void> {
  const { DATABASE_URL, TRANSACTIONS_TOPIC, TOPIC_PARTITIONS } = world.settings
  const tx = transaction({ transaction_id: 'newest schema' })
  const value = write(tx)
  await world.sender.sendPieces([{ id: tx.transaction_id, kind: 'good', key: tx.account_id, value }])
  const waiting = partitionOf(tx.account_id, TOPIC_PARTITIONS)
  await sleep(2000)
  const reached = async () => (await positions(DATABASE_URL, TRANSACTIONS_TOPIC)).map((p) => p.next_offset)
  const before = await reached()
  for (const step of [1, 2, 3]) {
    const from = await reached()
    const others = async () => (await reached()).every((n, i) => i === waiting || n > from[i])
    const went = await until(others, { seconds: 3, what: 'the others' }).catch(() => false)
    ctx.hold('X', went, `step ${step}: the other partitions stood at ${from}`)
  }
  const after = await reached()
  ctx.hold('X', after[waiting] === before[waiting], 'the partition passed a record that nobody could read')
  ctx.note(`partition ${waiting} stood at ${after[waiting]}, the others went from ${before} to ${after}`)
}

/** Registers an older schema than ours, and two newer ones. */
async function registerVersions(settings: KafkaSettings): Promise<((tx: Transaction) => Buffer)[]> {
  const ours = JSON.parse(transactionSchemaText) as { fields: { name: string }[] }
  const older = { ...ours, fields: ours.fields.filter(({ name }) => name !== 'is_fraud') }
  const extra = { name: 'device', type: ['null', 'string'], default: null }
  const newer = { ...ours, fields: [...ours.fields, extra] }
  const newest = { ...ours, fields: [...newer.fields, { ...extra, name: 'browser' }] }
  const writers: ((tx: Transaction) => Buffer)[] = []
  for (const schema of [older, newer, newest]) {
    const { id } = await createRegistry(settings).register(
      { type: SchemaType.AVRO, schema: JSON.stringify(schema) },
      { subject: subjectOf(settings.TRANSACTIONS_TOPIC), compatibility: COMPATIBILITY.BACKWARD },
    )
    const type = avro.Type.forSchema(schema as avro.Schema, avroOptions())
    writers.push((tx) => frame(id, type, { ...tx, device: 'd-1', browser: 'b-1' }))
  }
  return writers
}

/** Nothing is sent again: with another schema it might have another content. Of three transactions one is written with each of the older and the newer schema, and one with ours. */
function* mixedSchemas(writers: ((tx: Transaction) => Buffer)[]): Generator<Piece, never> {
  let n = 0
  for (const piece of disturbed({ seed: 13, againEvery: 0 })) {
    const write = writers[n++ % 3]
    if (write === undefined || !('transaction' in piece)) yield piece
    else {
      const { id, kind, transaction } = piece
      yield { id, kind, key: transaction.account_id, value: write(transaction) }
    }
  }
  throw new Error('the traffic never ends')
}

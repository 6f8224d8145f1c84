import type { NextFault } from './faults.ts'
import { connectionError, noFaults, randomFaults } from './faults.ts'
import { type SimProcess, startProcess } from './process.ts'
import { Host } from './scheduler.ts'
import type { World } from './world.ts'

/** Processes that are started again when they die, and what befalls them. */
export class Operations {
  readonly #world: World
  #serial = 0

  constructor(world: World) {
    this.#world = world
    world.onCrash = (host) => this.#died(host)
    for (let i = 0; i < world.plan.processes; i++) this.#start(0)
  }

  #start(ms: number): void {
    const { scheduler } = this.#world
    const host = new Host(`p${++this.#serial}`)
    scheduler.after(ms, 'process starts', () => startProcess(this.#world), host)
  }

  #died(host: Host): void {
    const { scheduler } = this.#world
    this.#start(scheduler.random.exponential(200))
    this.#evict(host, scheduler.random.exponential(300))
  }

  /** The coordinator has not heard of a member for too long. */
  #evict(host: Host, ms: number): void {
    const { scheduler, kafka } = this.#world
    const evict = () => {
      if (!host.dead && host.held === null) return
      for (const member of kafka.members) {
        if (member.host !== host) continue
        kafka.members.delete(member)
        member.isTold()
      }
      kafka.rebalance()
    }
    scheduler.after(ms, `${host.name} is evicted`, evict, null)
  }

  /** One disaster after another, until {@link heal}. */
  trouble(): void {
    const { scheduler, plan } = this.#world
    const next = () => {
      if (!this.#world.isTroubled) return
      this.#strike()
      this.trouble()
    }
    scheduler.after(scheduler.random.exponential(plan.disasterMs), 'disaster', next, null)
  }

  #strike(): void {
    const world = this.#world
    const { scheduler, connections } = world
    const { random } = scheduler
    const draw = random.unit()
    const process = world.processes.size === 0 ? undefined : random.pick([...world.processes])
    if (draw < 0.2) this.#rebalance()
    else if (draw < 0.25) this.#jump()
    else if (draw < 0.65 && process !== undefined) {
      if (draw < 0.4) world.crash(process.host)
      else if (draw < 0.55) this.#freeze(process.host)
      else this.#terminate(process)
    } else if (draw < 0.95 && connections.size > 0) {
      random.pick([...connections]).lose(connectionError(random))
    } else if (draw >= 0.97) this.#loseDatabase()
    else if (draw >= 0.95) this.#loseRegistry()
  }

  #rebalance(): void {
    this.#world.count('rebalance')
    this.#world.kafka.rebalance()
  }

  #jump(): void {
    const { kafka, scheduler } = this.#world
    if (kafka.members.size === 0) return
    this.#world.count('jump of the offset')
    scheduler.random.pick([...kafka.members]).jump()
  }

  #terminate({ host, stop }: SimProcess): void {
    this.#world.count('SIGTERM')
    this.#world.scheduler.after(0, 'SIGTERM', () => void stop(), host)
  }

  #freeze(host: Host): void {
    const { scheduler } = this.#world
    scheduler.note(`${host.name} is stopped`)
    this.#world.count('freeze')
    scheduler.freeze(host)
    this.#evict(host, scheduler.random.exponential(300))
    scheduler.after(
      scheduler.random.exponential(600),
      `${host.name} goes on`,
      () => scheduler.thaw(host),
      null,
    )
  }

  /** PostgreSQL restarts: every transaction is rolled back at once. */
  #loseDatabase(): void {
    const world = this.#world
    const { scheduler, connections, database } = world
    world.count('outage')
    world.databaseAway = true
    for (const connection of [...connections]) connection.lose(connectionError(scheduler.random), 0)
    for (const backend of [...database.backends]) database.end(backend)
    const back = () => {
      world.databaseAway = false
    }
    scheduler.after(scheduler.random.exponential(1000), 'database is back', back, null)
  }

  #loseRegistry(): void {
    const world = this.#world
    world.registryAway = true
    const back = () => {
      world.registryAway = false
    }
    world.scheduler.after(world.scheduler.random.exponential(1000), 'registry is back', back, null)
  }

  /** No more disasters: what is away comes back, what is stopped goes on. */
  heal(): void {
    const world = this.#world
    world.scheduler.note('healed')
    world.isTroubled = false
    world.nextFault = noFaults
    world.databaseAway = false
    world.registryAway = false
    for (const { host } of world.processes) world.scheduler.thaw(host)
  }
}

export const faultsOf = ({ scheduler, plan }: Pick<World, 'scheduler' | 'plan'>): NextFault =>
  randomFaults(scheduler.random, plan.faultShare)

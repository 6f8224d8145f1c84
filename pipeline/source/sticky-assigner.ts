import kafkajs, { type PartitionAssigner } from 'kafkajs'

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

/**
 * Spreads a topic's partitions evenly, and leaves each where it is as far as that allows: a partition that moves takes
 * its accounts' state along, which must be recovered. (kafkajs' only assigner deals them out anew at each join.)
 * @param owned the partitions that this member has now
 */
export const stickyAssigner =
  (topic: string, owned: () => Iterable<number>): PartitionAssigner =>
  ({ cluster }) => ({
    name: 'WeirStickyAssigner',
    version: 1,

    protocol: ({ topics }) => ({
      name: 'WeirStickyAssigner',
      metadata: MemberMetadata.encode({
        version: 1,
        topics,
        userData: Buffer.from(JSON.stringify([...owned()])),
      }),
    }),

    async assign({ members }) {
      const partitions = cluster.findTopicPartitionMetadata(topic).map((p) => p.partitionId)
      const claims = new Map(
        members.map(({ memberId, memberMetadata }) => [memberId, claimOf(memberMetadata)]),
      )
      return [...assignSticky(partitions, claims)].map(([memberId, assigned]) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({
          version: 1,
          assignment: { [topic]: assigned },
          userData: Buffer.alloc(0),
        }),
      }))
    },
  })

function claimOf(metadata: Buffer): number[] {
  const decoded = MemberMetadata.decode(metadata)
  try {
    return JSON.parse(decoded?.userData.toString() ?? '[]')
  } catch {
    return []
  }
}

/**
 * @param claims what each member has now; of two that claim a partition, the first by name keeps it
 * @returns the partitions of each member: none has two more than another
 */
export function assignSticky(
  partitions: number[],
  claims: ReadonlyMap<string, number[]>,
): Map<string, number[]> {
  const free = new Set(partitions)
  const least = Math.floor(partitions.length / claims.size)
  let larger = partitions.length % claims.size

  // Those with most are asked first: they may keep one more than the others, while there is one more to keep.
  const members = [...claims.keys()].sort(
    (a, b) => claims.get(b)!.length - claims.get(a)!.length || (a < b ? -1 : 1),
  )
  const assigned = new Map<string, number[]>()
  for (const member of members) {
    const kept = claims
      .get(member)!
      .filter((p) => free.has(p))
      .slice(0, larger > 0 ? least + 1 : least)
    if (kept.length > least) larger--
    for (const partition of kept) free.delete(partition)
    assigned.set(member, kept)
  }
  for (const member of members.toReversed()) {
    const list = assigned.get(member)!
    while (free.size > 0 && (list.length < least || (list.length === least && larger > 0))) {
      if (list.length === least) larger--
      const [partition] = free
      free.delete(partition)
      list.push(partition)
    }
  }
  return assigned
}

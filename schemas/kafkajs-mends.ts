// @ts-expect-error: a part of kafkajs without types
import BrokerPool from 'kafkajs/src/cluster/brokerPool.js'
// @ts-expect-error: a part of kafkajs without types
import Connection from 'kafkajs/src/network/connection.js'
// @ts-expect-error: a part of kafkajs without types
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'

/** Faults of kafkajs 2.2.4 that no setting avoids, mended in its prototypes: it is unmaintained. */

// A connection that breaks in the middle of a response keeps the half that came, and takes the next connection's bytes
// for the rest: from then on every length is read from the wrong place, no request is ever answered, and the bytes pile
// up. No error tells it: the consumer stands still (most likely its issues 1163 and 1317).
const { connect } = Connection.prototype
Connection.prototype.connect = function connectAfresh() {
  if (!this.isConnected()) {
    this.chunks = []
    this.bytesBuffered = 0
    this.bytesNeeded = 4 // the length of a response
  }
  return connect.call(this)
}

// After each request kafkajs sets a timer to look after waiting ones, at "throttled until -1" when nothing is throttled:
// Node 24 warns about a negative time. Without throttling and with nothing waiting there is nothing to look after.
const { scheduleCheckPendingRequests } = RequestQueue.prototype
RequestQueue.prototype.scheduleCheckPendingRequests = function schedule() {
  const isIdle = this.pending.length === 0 && this.throttledUntil <= Date.now()
  if (!isIdle) scheduleCheckPendingRequests.call(this)
}

// Whoever asks any broker hears of no error: "Failed to find group coordinator" is what is told where a user has no right to
// the group. A refusal is the same from every broker, and is told as it is.
const { withBroker } = BrokerPool.prototype
BrokerPool.prototype.withBroker = async function withBrokerOrRefusal<T>(ask: (one: object) => Promise<T>) {
  let refusal: Error | undefined
  const answer = await withBroker.call(this, async (one: object) => {
    try {
      return await ask(one)
    } catch (error) {
      if (/_AUTHORIZATION_FAILED$/.test(String((error as { type?: string }).type))) refusal = error as Error
      throw error
    }
  })
  if (answer === null && refusal !== undefined) throw refusal
  return answer
}

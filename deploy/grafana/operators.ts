import type { Dashboard } from './dashboard.ts'

const HTTP = 'route!~"/metrics|/health.*"'
const QUICK = 'route!~"/metrics|/health.*|.*/stream|.*/export"'
const quantiles = (metric: string, by = '') =>
  [0.5, 0.95, 0.99].map((q) => ({
    expr: `histogram_quantile(${q}, sum by (le) (rate(${metric}_bucket${by}[5m])))`,
    legend: `${q * 100} %`,
  }))

/** For those who keep it running. */
export const operators: Dashboard = {
  uid: 'weir-operators',
  title: 'Weir: operations',
  description: 'Whether all transactions are judged, how quickly, and what is in the way.',
  sections: [
    {
      title: 'Now',
      panels: [
        {
          title: 'Pipeline processes',
          description: 'That answer Prometheus. 0: nothing is judged (WeirDetectionDown).',
          unit: 'none',
          type: 'stat',
          width: 4,
          queries: [{ expr: 'sum(up{job="weir-pipeline"})', legend: 'processes' }],
          limit: 1,
          isGood: true,
        },
        {
          title: 'API processes',
          description: 'That answer Prometheus. 0: analysts cannot work (WeirApiDown).',
          unit: 'none',
          type: 'stat',
          width: 4,
          queries: [{ expr: 'sum(up{job="weir-api"})', legend: 'processes' }],
          limit: 1,
          isGood: true,
        },
        {
          title: 'Database',
          description:
            '1 if PostgreSQL answered every process of the API that asked it last (WeirDatabaseDown).',
          unit: 'none',
          type: 'stat',
          width: 4,
          queries: [{ expr: 'min(weir_database_up)', legend: 'answers' }],
          limit: 1,
          isGood: true,
        },
        {
          title: 'Records that wait',
          description: 'In all partitions, from the stored positions to the end of the topic.',
          unit: 'short',
          type: 'stat',
          width: 4,
          queries: [{ expr: 'sum(weir_lag_records)', legend: 'records' }],
          limit: 10_000,
        },
        {
          title: 'Partitions without a process',
          description: 'What comes to them is not judged (WeirPartitionsWithoutOwner).',
          unit: 'none',
          type: 'stat',
          width: 4,
          queries: [
            { expr: 'max(weir_topic_partitions) - sum(weir_owned_partitions)', legend: 'partitions' },
          ],
          limit: 1,
        },
        {
          title: 'Alerts',
          description: 'Alerts of Weir that fire now, of any severity.',
          unit: 'none',
          type: 'stat',
          width: 4,
          queries: [
            { expr: 'count(ALERTS{alertstate="firing",alertname=~"Weir.*"}) or vector(0)', legend: 'alerts' },
          ],
          limit: 1,
        },
      ],
    },
    {
      title: 'The stream',
      panels: [
        {
          title: 'Records a second',
          description:
            'What comes to the topic, what is dealt with, and the usual of this hour. A gap between the first two is a backlog that grows.',
          unit: 'cps',
          queries: [
            { expr: 'weir:arrivals:rate10m', legend: 'come in' },
            { expr: 'weir:processed:rate5m', legend: 'dealt with' },
            { expr: 'weir:arrivals:normal', legend: 'usual' },
          ],
        },
        {
          title: 'Records that wait',
          description: 'By partition. One that stands still while others go on is WeirConsumerStalled.',
          unit: 'short',
          queries: [{ expr: 'sum by (partition) (weir_lag_records)', legend: 'partition {{partition}}' }],
        },
        {
          title: 'Latency, end to end',
          description:
            "From the Kafka time of a batch's oldest record until it is stored. It includes how late producers' clocks are.",
          unit: 's',
          queries: quantiles('weir_end_to_end_latency_seconds'),
        },
        {
          title: 'What became of records',
          description: 'Stored, left out as duplicates of producers, or dead letters; each second.',
          unit: 'cps',
          queries: [
            { expr: 'sum(rate(weir_transactions_stored_total[5m]))', legend: 'stored' },
            { expr: 'sum(rate(weir_duplicates_total[5m]))', legend: 'duplicates' },
            { expr: 'sum(rate(weir_dead_letters_total[5m]))', legend: 'dead letters' },
          ],
        },
        {
          title: 'Dead letters',
          description: 'In each hour, by code. docs/dead-letters.md has the cause and remedy of each.',
          unit: 'short',
          queries: [
            { expr: 'sum by (code) (increase(weir_dead_letters_total[1h])) > 0', legend: '{{code}}' },
          ],
        },
        {
          title: 'Servers that are waited for',
          description: '1 while PostgreSQL, Kafka or the registry does not answer a process of the pipeline.',
          unit: 'none',
          queries: [{ expr: 'max by (server) (weir_waiting_for_server)', legend: '{{server}}' }],
        },
      ],
    },
    {
      title: 'Inside the pipeline',
      panels: [
        {
          title: 'Busy stages',
          description:
            'Share of the time in which a stage works on a batch; one near 100 % is what limits the rate.',
          unit: 'percentunit',
          queries: [{ expr: 'max by (stage) (rate(weir_stage_seconds_sum[5m]))', legend: '{{stage}}' }],
        },
        {
          title: 'Queues',
          description:
            'Batches that wait or are worked on. Full lanes and full stages before them: the database limits the rate.',
          unit: 'short',
          queries: [{ expr: 'sum by (queue) (weir_queued_batches)', legend: '{{queue}}' }],
        },
        {
          title: 'COMMITs',
          description: 'How long one transaction in PostgreSQL takes: COPY, positions and COMMIT.',
          unit: 's',
          queries: quantiles('weir_copy_seconds'),
        },
        {
          title: 'Turns of a lane',
          description:
            'From taking batches until it is known what became of each, with every try. Far above a COMMIT: it is tried again.',
          unit: 's',
          queries: quantiles('weir_store_seconds'),
        },
        {
          title: 'COPY',
          description: 'Bytes of rows that are committed each second.',
          unit: 'Bps',
          queries: [{ expr: 'sum(rate(weir_copy_bytes_total[5m]))', legend: 'rows' }],
        },
        {
          title: 'Tries that failed',
          description: 'Tries to store that failed, each second, by what is done about it.',
          unit: 'cps',
          queries: [
            { expr: 'sum by (reaction) (rate(weir_store_failures_total[5m]))', legend: '{{reaction}}' },
          ],
        },
        {
          title: 'Records in a batch',
          description:
            'On average, and batches that were fenced or dropped. Large batches: there is much to do.',
          unit: 'short',
          queries: [
            {
              expr: 'sum(rate(weir_batch_records_sum[5m])) / sum(rate(weir_batch_records_count[5m]))',
              legend: 'records',
            },
            {
              expr: 'sum by (outcome) (increase(weir_batches_total{outcome!="stored"}[5m]))',
              legend: '{{outcome}} in 5 min',
            },
          ],
        },
        {
          title: 'Age of checkpoints',
          description: 'Of partitions with records that no checkpoint has (WeirOldCheckpoint).',
          unit: 's',
          queries: [
            {
              expr: '(time() - max by (partition) (weir_checkpoint_timestamp_seconds)) and on (partition) max by (partition) (weir_unsaved_records) > 0',
              legend: 'partition {{partition}}',
            },
          ],
        },
        {
          title: 'Records to read again',
          description:
            'What a restart would take from the table: records stored since the newest checkpoint.',
          unit: 'short',
          queries: [{ expr: 'max by (partition) (weir_unsaved_records)', legend: 'partition {{partition}}' }],
        },
        {
          title: 'Checkpoints',
          description: 'How long it takes to save a partition, and how large it is.',
          unit: 's',
          queries: [
            {
              expr: 'sum(rate(weir_checkpoint_seconds_sum[15m])) / sum(rate(weir_checkpoint_seconds_count[15m]))',
              legend: 'seconds',
            },
          ],
        },
        {
          title: 'State of the accounts',
          description: 'Memory of all accounts in all processes, and the size of the checkpoints.',
          unit: 'bytes',
          queries: [
            { expr: 'sum(weir_state_bytes)', legend: 'memory' },
            { expr: 'sum(weir_checkpoint_bytes)', legend: 'checkpoints' },
          ],
        },
        {
          title: 'Accounts',
          description: 'Accounts whose state is kept.',
          unit: 'short',
          queries: [{ expr: 'sum(weir_state_accounts)', legend: 'accounts' }],
        },
        {
          title: 'Stalls',
          description: 'Times that the watchdog found a partition standing and joined the group anew.',
          unit: 'short',
          queries: [{ expr: 'sum(increase(weir_stalls_total[1h]))', legend: 'in an hour' }],
        },
      ],
    },
    {
      title: 'API',
      panels: [
        {
          title: 'Calls a second',
          description: 'By status, without health and metrics.',
          unit: 'cps',
          queries: [
            {
              expr: `sum by (status) (rate(weir_http_requests_total{${HTTP}}[5m])) > 0`,
              legend: '{{status}}',
            },
          ],
        },
        {
          title: 'Duration',
          description: 'Until the answer begins; without streams and exports (WeirApiLatency).',
          unit: 's',
          queries: quantiles('weir_http_request_duration_seconds', `{${QUICK}}`),
        },
        {
          title: 'Errors',
          description: 'Share of calls that were answered with a 5xx (WeirApiErrors).',
          unit: 'percentunit',
          queries: [{ expr: 'weir:http_errors:rate5m / weir:http_requests:rate5m', legend: '5xx' }],
        },
        {
          title: 'Slow routes',
          description: 'The 95th percentile of the five slowest routes.',
          unit: 's',
          queries: [
            {
              expr: `topk(5, histogram_quantile(0.95, sum by (le, method, route) (rate(weir_http_request_duration_seconds_bucket{${QUICK}}[10m]))))`,
              legend: '{{method}} {{route}}',
            },
          ],
        },
        {
          title: 'Refused',
          description: 'Calls over a limit (429), by limit, and calls without a good key (401), each second.',
          unit: 'cps',
          queries: [
            { expr: 'sum by (limit) (rate(weir_http_limited_total[5m]))', legend: '429 {{limit}}' },
            { expr: 'sum(rate(weir_http_requests_total{status="401"}[5m]))', legend: '401' },
          ],
        },
        {
          title: 'Connections to PostgreSQL',
          description:
            'Of all processes of the API, by state, the most that they may have, and calls that wait for one.',
          unit: 'short',
          queries: [
            { expr: 'sum by (state) (weir_database_pool_connections)', legend: '{{state}}' },
            { expr: 'sum(weir_database_pool_waiting)', legend: 'calls that wait' },
            { expr: 'sum(weir_database_pool_size)', legend: 'most' },
          ],
        },
        {
          title: 'Stream of events',
          description: 'Clients, and those that were cut off in the last hour because they read too slowly.',
          unit: 'short',
          queries: [
            { expr: 'sum(weir_stream_clients)', legend: 'clients' },
            { expr: 'sum(increase(weir_stream_dropped_total[1h]))', legend: 'cut off in an hour' },
          ],
        },
        {
          title: 'Events sent',
          description: 'To clients of the stream, each second, by kind.',
          unit: 'cps',
          queries: [{ expr: 'sum by (event) (rate(weir_stream_events_total[5m]))', legend: '{{event}}' }],
        },
      ],
    },
    {
      title: 'Processes',
      panels: [
        {
          title: 'Processor',
          description: 'Of each process, in processors. A pipeline process does most of its work on one.',
          unit: 'none',
          queries: [
            {
              expr: 'rate(process_cpu_seconds_total{job=~"weir-(api|pipeline)"}[5m])',
              legend: '{{job}} {{instance}}',
            },
          ],
        },
        {
          title: 'Memory',
          description: 'Resident, of each process.',
          unit: 'bytes',
          queries: [
            {
              expr: 'process_resident_memory_bytes{job=~"weir-(api|pipeline)"}',
              legend: '{{job}} {{instance}}',
            },
          ],
        },
        {
          title: 'Delay of the event loop',
          description: 'The 99th percentile; above a second heartbeats and scrapes are late.',
          unit: 's',
          queries: [
            {
              expr: 'nodejs_eventloop_lag_p99_seconds{job=~"weir-(api|pipeline)"}',
              legend: '{{job}} {{instance}}',
            },
          ],
        },
      ],
    },
    {
      title: 'Security and backups',
      panels: [
        {
          title: 'Audit: findings',
          description: 'Of the last time that its chain was followed; more than 0 is WeirAuditBroken.',
          unit: 'none',
          type: 'stat',
          width: 4,
          queries: [{ expr: 'max(weir_audit_findings)', legend: 'findings' }],
          limit: 1,
        },
        {
          title: 'Audit: last followed',
          description: 'Seconds since then (WeirAuditNotVerified).',
          unit: 's',
          type: 'stat',
          width: 4,
          queries: [{ expr: 'time() - max(weir_audit_verified_timestamp_seconds)', legend: 'ago' }],
          limit: 172_800,
        },
        {
          title: 'Audit: rows',
          description: 'Changes of a status, a key or a model that were ever made.',
          unit: 'short',
          type: 'stat',
          width: 4,
          queries: [{ expr: 'max(weir_audit_rows)', legend: 'rows' }],
        },
        {
          title: 'Last backup',
          description: 'Seconds since it was made (WeirBackupOld); empty: none is known (WeirNoBackup).',
          unit: 's',
          type: 'stat',
          width: 4,
          queries: [
            {
              expr:
                'time() - max(weir_backup_last_success_timestamp_seconds > 0 or ' +
                'kube_cronjob_status_last_successful_time{namespace="weir",cronjob="backup-create"})',
              legend: 'ago',
            },
          ],
          limit: 93_600,
        },
        {
          title: 'Last verified backup',
          description:
            'Age of the newest that was restored to prove it (WeirBackupUnverified); empty: none is known (WeirNoVerifiedBackup).',
          unit: 's',
          type: 'stat',
          width: 4,
          queries: [{ expr: 'time() - max(weir_backup_last_verified_timestamp_seconds > 0)', legend: 'ago' }],
          limit: 691_200,
        },
        {
          title: 'First key to expire',
          description: 'Seconds that are left; keys that were replaced do not count (WeirKeyExpiring).',
          unit: 's',
          type: 'stat',
          width: 4,
          queries: [
            {
              expr: 'min(min by (key) (weir_api_key_expiry_timestamp_seconds) unless on (key) weir_api_key_replaced) - time()',
              legend: 'left',
            },
          ],
          limit: 1_209_600,
          isGood: true,
        },
        {
          title: 'Certificates',
          description: 'Seconds that are left of each file that a setting names (WeirCertificateExpiring).',
          unit: 's',
          type: 'table',
          width: 12,
          queries: [
            {
              expr: 'sort(min by (job, setting) (weir_certificate_expiry_timestamp_seconds) - time())',
              legend: '{{job}} {{setting}}',
            },
          ],
        },
        {
          title: 'Labels',
          description: 'Stored from the topic each second by verdict, said before, and those that wait.',
          unit: 'short',
          width: 12,
          queries: [
            { expr: 'sum by (verdict) (rate(weir_labels_stored_total[5m]))', legend: '{{verdict}} a second' },
            { expr: 'sum(rate(weir_labels_repeated_total[5m]))', legend: 'repeated a second' },
            { expr: 'sum(weir_labels_lag_records)', legend: 'wait' },
          ],
        },
      ],
    },
  ],
}

import type { Dashboard } from './dashboard.ts'

/** For those who look for fraud. */
export const fraud: Dashboard = {
  uid: 'weir-fraud',
  title: 'Weir: fraud',
  description: 'What was flagged, why, and how that compares with the usual.',
  sections: [
    {
      title: 'Now',
      panels: [
        {
          title: 'Anomalies, last hour',
          description: 'Transactions flagged in the last 60 minutes.',
          unit: 'short',
          type: 'stat',
          width: 4,
          queries: [{ expr: 'sum(increase(weir_anomalies_total[1h]))', legend: 'anomalies' }],
        },
        {
          title: 'With a score of 0.8 or more',
          description: 'Of those, in the last 60 minutes.',
          unit: 'short',
          type: 'stat',
          width: 4,
          queries: [
            {
              expr: 'sum(increase(weir_anomalies_total{severity=~"high|critical"}[1h]))',
              legend: 'anomalies',
            },
          ],
        },
        {
          title: 'Against the usual',
          description:
            'Anomalies with a score of 0.8 or more in 15 minutes, over what is usual for as many transactions at this hour. 3 is WeirFraudSpike, if there are enough.',
          unit: 'none',
          type: 'stat',
          width: 4,
          queries: [
            {
              expr: 'weir:severe_anomalies:increase15m / weir:severe_anomalies:expected15m',
              legend: 'times',
            },
          ],
          limit: 3,
        },
        {
          title: 'Share flagged',
          description: 'Of all transactions of the last 6 hours.',
          unit: 'percentunit',
          type: 'stat',
          width: 4,
          queries: [{ expr: 'weir:anomaly_share:rate6h', legend: 'share' }],
        },
        {
          title: 'Transactions a second',
          description: 'That come in, over the last 10 minutes.',
          unit: 'short',
          type: 'stat',
          width: 4,
          queries: [{ expr: 'weir:arrivals:rate10m', legend: 'a second' }],
        },
        {
          title: 'Judged after',
          description: 'The 95th percentile from the Kafka time of a record until its decision is stored.',
          unit: 's',
          type: 'stat',
          width: 4,
          queries: [
            {
              expr: 'histogram_quantile(0.95, sum by (le) (rate(weir_end_to_end_latency_seconds_bucket[5m])))',
              legend: '95 %',
            },
          ],
        },
      ],
    },
    {
      title: 'What was flagged',
      panels: [
        {
          title: 'Anomalies by severity',
          description: 'In each 15 minutes: critical from a score of 0.9, high 0.8, medium 0.7, low below.',
          unit: 'short',
          width: 12,
          queries: [
            { expr: 'sum by (severity) (increase(weir_anomalies_total[15m]))', legend: '{{severity}}' },
          ],
        },
        {
          title: 'Score of 0.8 or more against the usual',
          description:
            'In each 15 minutes, and what is usual for as many transactions at this hour of the week.',
          unit: 'short',
          width: 12,
          queries: [
            { expr: 'weir:severe_anomalies:increase15m', legend: 'flagged' },
            { expr: 'weir:severe_anomalies:expected15m', legend: 'usual' },
          ],
        },
        {
          title: 'Anomalies by reason',
          description: 'In each hour, by the main reason: a rule’s code, or MODEL.',
          unit: 'short',
          width: 12,
          queries: [{ expr: 'sum by (reason) (increase(weir_anomalies_total[1h]))', legend: '{{reason}}' }],
        },
        {
          title: 'Reasons of the last day',
          description: 'The main reasons of the last 24 hours, the most frequent first.',
          unit: 'short',
          type: 'table',
          width: 12,
          queries: [
            {
              expr: 'sort_desc(sum by (reason, severity) (increase(weir_anomalies_total[1d])) > 0)',
              legend: '{{reason}}',
            },
          ],
        },
        {
          title: 'Share flagged against the usual',
          description: 'Of the transactions of 6 hours, and the usual of these hours of the week.',
          unit: 'percentunit',
          width: 12,
          queries: [
            { expr: 'weir:anomaly_share:rate6h', legend: 'flagged' },
            { expr: 'weir:anomaly_share:normal', legend: 'usual' },
          ],
        },
        {
          title: 'Transactions against the usual',
          description: 'That come in each second, and the usual of this hour of the week.',
          unit: 'cps',
          width: 12,
          queries: [
            { expr: 'weir:arrivals:rate10m', legend: 'come in' },
            { expr: 'weir:arrivals:normal', legend: 'usual' },
          ],
        },
      ],
    },
    {
      title: 'What decides',
      panels: [
        {
          title: 'Rules and models in force',
          description:
            'Versions by number of processes. Two of a kind: processes were started before and after a change.',
          unit: 'none',
          type: 'table',
          width: 12,
          queries: [
            { expr: 'count by (version) (weir_model_info)', legend: '{{version}}' },
            { expr: 'count by (version) (weir_rules_info)', legend: '{{version}}' },
          ],
        },
        {
          title: 'Threshold',
          description: 'ANOMALY_THRESHOLD: from this score on a transaction is flagged.',
          unit: 'none',
          type: 'stat',
          width: 4,
          queries: [{ expr: 'max(weir_anomaly_threshold)', legend: 'score' }],
        },
        {
          title: 'Decisions of analysts',
          description: 'Changes of a status by page and API, in an hour.',
          unit: 'short',
          queries: [
            {
              expr: 'sum(increase(weir_http_requests_total{method=~"PUT|POST",route=~"(/api/v1)?/anomalies/.*",status=~"2..|3.."}[1h]))',
              legend: 'in an hour',
            },
          ],
        },
      ],
    },
    {
      title: 'What it is told',
      panels: [
        {
          title: 'Labels',
          description: 'Stored from the topic in each hour, by verdict.',
          unit: 'short',
          queries: [
            { expr: 'sum by (verdict) (increase(weir_labels_stored_total[1h]))', legend: '{{verdict}}' },
          ],
        },
        {
          title: 'Records that were not judged',
          description: 'Dead letters in each hour, by code.',
          unit: 'short',
          queries: [
            { expr: 'sum by (code) (increase(weir_dead_letters_total[1h])) > 0', legend: '{{code}}' },
          ],
        },
        {
          title: 'Quality of the data',
          description:
            'Transactions in each hour that came too late for windows, in a currency without a rate, or in another partition than their account’s.',
          unit: 'short',
          queries: [
            { expr: 'sum(increase(weir_late_transactions_total[1h]))', legend: 'late' },
            { expr: 'sum(increase(weir_unrated_transactions_total[1h]))', legend: 'without a rate' },
            { expr: 'sum(increase(weir_misplaced_transactions_total[1h]))', legend: 'misplaced' },
          ],
        },
      ],
    },
  ],
}

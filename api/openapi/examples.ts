/** What the examples of the document have in common: one anomaly, as it would be. */

const columns = {
  transaction_id: 'T-1042',
  account_id: 'ACC-7',
  timestamp: '2026-11-24T09:30:00.000Z',
  amount: '18357.9600',
  currency: 'EUR',
  merchant_id: 'M-31',
  merchant_category: 'Electronics',
  location: 'New York',
  channel: 'ECOMMERCE' as const,
  is_fraud: null,
  score: 0.85,
  is_anomaly: true,
  alert_reason: 'HIGH_DEVIATION',
  reasons: [
    {
      code: 'HIGH_DEVIATION',
      score: 0.85,
      message: 'The amount of 18,357.96 EUR is 18.13 standard deviations above the account’s mean of 119.34.',
      checks: [
        { feature: 'deviation', operator: '>=' as const, limit: 5, value: 18.13 },
        { feature: 'account_count', operator: '>=' as const, limit: 10, value: 112 },
      ],
    },
  ],
  features: {
    amount: 18357.96,
    account_count: 112,
    account_mean: 119.34,
    deviation: 18.13,
    usual_amount: 59.99,
    amount_ratio: 306.017003,
    mean_30d: 101.5,
    std_30d: 77.25,
    home: 'Oulu',
  },
  status: 'FRAUD' as const,
  rules_version: 'rules-0123456789ab',
  model_version: 'isolation-forest-0123456789ab',
  kafka_partition: 3,
  kafka_offset: 42,
}

export const LIST_EXAMPLE = { data: [columns], count: 1, next_cursor: null }

export const ANOMALY_EXAMPLE = {
  ...columns,
  normal: {
    usual_amount: 59.99,
    mean: 119.34,
    deviation: 18.13,
    transactions: 112,
    amount_ratio: 306.017003,
    mean_30d: 101.5,
    std_30d: 77.25,
    home: 'Oulu',
  },
  earlier_anomalies: [
    {
      transaction_id: 'T-990',
      timestamp: '2026-11-02T17:05:12.000Z',
      amount: '640.0000',
      currency: 'EUR',
      merchant_id: 'M-31',
      score: 0.71,
      alert_reason: 'MODEL',
      status: 'DISMISSED' as const,
    },
  ],
  audit: [
    {
      previous_status: 'NEW' as const,
      new_status: 'FRAUD' as const,
      note: 'Called: not me.',
      actor: 'API_KEY',
      changed_at: '2026-11-24T10:02:11.480Z',
    },
  ],
}

export const CHANGED_EXAMPLE = {
  transaction_id: 'T-1042',
  new_status: 'FRAUD' as const,
  message: 'The status was changed from NEW to FRAUD.',
}

export const BULK_EXAMPLE = {
  data: [
    {
      transaction_id: 'T-1042',
      timestamp: '2026-11-24T09:30:00.000Z',
      previous_status: 'NEW' as const,
      new_status: 'DISMISSED' as const,
      version: '48213',
    },
    {
      transaction_id: 'T-1043',
      timestamp: '2026-11-24T09:31:12.000Z',
      previous_status: 'DISMISSED' as const,
      new_status: 'DISMISSED' as const,
      version: '47900',
    },
  ],
  count: 2,
  changed: 1,
}

export const STATS_EXAMPLE = {
  total: 1240,
  by_status: [
    { status: 'NEW' as const, count: 37 },
    { status: 'INVESTIGATED' as const, count: 12 },
    { status: 'FRAUD' as const, count: 411 },
    { status: 'DISMISSED' as const, count: 780 },
  ],
  by_reason: [
    { reason: 'HIGH_DEVIATION', count: 900 },
    { reason: 'MODEL', count: 340 },
  ],
  by_hour: [{ hour: '2026-11-24T09:00:00.000Z', count: 12 }],
  queue: { waiting: 37, oldest: '2026-11-24T08:00:00.000Z', oldest_age_seconds: 5400 },
}

export const RULES_EXAMPLE = {
  in_force: 'rules-0123456789ab',
  data: [
    {
      version: 'rules-0123456789ab',
      rules: [
        {
          code: 'HIGH_AMOUNT',
          score: 0.8,
          when: 'amount >= 5000.0',
          message: 'The amount of {amount} {base_currency} is at least 5000.',
        },
      ],
      created_at: '2026-11-01T08:00:00.000Z',
      started_at: '2026-11-20T08:00:00.000Z',
    },
  ],
  count: 1,
}

export const MODELS_EXAMPLE = {
  in_force: 'lightgbm-0123456789ab',
  data: [
    {
      version: 'lightgbm-0123456789ab',
      kind: 'lightgbm',
      features: ['amount', 'deviation'],
      trained_from: '2026-08-01T00:00:00.000Z',
      trained_to: '2026-10-01T00:00:00.000Z',
      metrics: { average_precision: 0.71 },
      created_at: '2026-10-02T08:00:00.000Z',
      is_active: true,
      activated_at: '2026-10-03T08:00:00.000Z',
    },
  ],
  count: 1,
}

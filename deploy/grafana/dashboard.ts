/** A dashboard as it is written here, and as Grafana reads it (its JSON model, schema 39: Grafana 10.4 or later). */

export interface Query {
  expr: string
  /** What the line is called; `{{label}}` is its label. */
  legend: string
}

export interface Panel {
  title: string
  /** What it shows, and what to look for. */
  description: string
  /** Grafana's id: s, bytes, percentunit, short, cps (per second), none, dateTimeFromNow … */
  unit: string
  /** timeseries by default. */
  type?: 'timeseries' | 'stat' | 'table'
  queries: Query[]
  /** Of 24 columns. */
  width?: number
  /** From this value on it is red; below with `isGood`. */
  limit?: number
  /** More is better: red below the limit. */
  isGood?: boolean
}

export interface Section {
  title: string
  panels: Panel[]
}

export interface Dashboard {
  uid: string
  title: string
  description: string
  sections: Section[]
}

const DATASOURCE = { type: 'prometheus', uid: 'prometheus' }
const COLUMNS = 24
const HEIGHTS = { timeseries: 8, table: 8, stat: 4 }

/** The dashboard in Grafana's JSON: sections below each other, each one's panels from left to right. */
export function toGrafana({ uid, title, description, sections }: Dashboard): object {
  const panels: object[] = []
  let y = 0
  for (const section of sections) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: section.title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: COLUMNS, h: 1 },
      panels: [],
    })
    let x = 0
    let rowHeight = 0
    for (const panel of section.panels) {
      const w = panel.width ?? 8
      const h = HEIGHTS[panel.type ?? 'timeseries']
      if (x + w > COLUMNS) {
        x = 0
        y += rowHeight
        rowHeight = 0
      }
      panels.push(panelOf(panel, panels.length + 1, { x, y, w, h }))
      x += w
      rowHeight = Math.max(rowHeight, h)
    }
    y += rowHeight
  }
  return {
    uid,
    title,
    description,
    tags: ['weir'],
    timezone: 'utc',
    editable: false,
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    panels,
  }
}

function panelOf(
  { title, description, unit, type = 'timeseries', queries, limit, isGood = false }: Panel,
  id: number,
  gridPos: object,
): object {
  const colors = isGood ? ['red', 'green'] : ['green', 'red']
  const steps =
    limit === undefined
      ? [{ color: 'green', value: null }]
      : [
          { color: colors[0], value: null },
          { color: colors[1], value: limit },
        ]
  return {
    id,
    type,
    title,
    description,
    gridPos,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: { unit, thresholds: { mode: 'absolute', steps }, ...FIELD_DEFAULTS[type] },
      overrides: [],
    },
    options: OPTIONS[type],
    targets: queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATASOURCE,
      expr,
      legendFormat: legend,
      ...(type === 'timeseries' ? {} : { instant: true }),
      ...(type === 'table' ? { format: 'table' } : {}),
    })),
  }
}

const FIELD_DEFAULTS = {
  timeseries: { min: 0, custom: { lineWidth: 1, fillOpacity: 10, showPoints: 'never' } },
  stat: {},
  table: {},
}

const OPTIONS = {
  timeseries: {
    legend: { displayMode: 'list', placement: 'bottom' },
    tooltip: { mode: 'multi', sort: 'desc' },
  },
  stat: { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'background', graphMode: 'none' },
  table: { showHeader: true },
}

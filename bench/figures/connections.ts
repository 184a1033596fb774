import {
  measuredSamples,
  plainSamples,
  record,
  target,
  type FigureResult,
  type Series,
  type Target,
  type TargetSpec,
} from '../harness/result.js'
import { perRound, spreadOf, type Spread } from '../harness/statistics.js'

export interface ConnectionTarget extends Omit<TargetSpec, 'relation' | 'where'> {
  /** The number of connections it is for; without it, each. */
  readonly at?: number
}

export const over = (connections: number) => (connections === 1 ? '1 connection' : `${connections} connections`)

/** A quantity that is measured over several numbers of connections within one run. */
export class ByConnections {
  readonly #series: ReadonlyMap<number, Series>

  constructor(connections: readonly number[]) {
    this.#series = new Map(connections.map((each) => [each, new Map()]))
  }

  at(connections: number): Series {
    return this.#series.get(connections) ?? new Map()
  }

  record(connections: number, name: string, round: number, value: number): void {
    record(this.at(connections), name, round, value)
  }

  /** A contestant's values, each in relation to another's in the same round. */
  ratio(connections: number, name: string, to: readonly (number | undefined)[]): Spread | undefined {
    return spreadOf(perRound(this.at(connections).get(name) ?? [], to, (a, b) => a / b))
  }

  spread(connections: number, name: string): Spread | undefined {
    return spreadOf(measuredSamples(this.at(connections), name))
  }

  median(connections: number, name: string): number | undefined {
    return this.spread(connections, name)?.median
  }

  /** Each target for the number of connections it is for, or for each. */
  targets(specs: readonly ConnectionTarget[]): Target[] {
    return [...this.#series].flatMap(([connections, series]) =>
      specs
        .filter(({ at = connections }) => at === connections)
        .map((spec) =>
          target(series, Object.assign({}, spec, { relation: 'ratio' as const, where: over(connections) })),
        ),
    )
  }

  samples(quantity?: string): FigureResult['samples'] {
    const suffix = quantity === undefined ? '' : `, ${quantity}`
    return Object.fromEntries(
      [...this.#series].flatMap(([connections, series]) =>
        Object.entries(plainSamples(series)).map(([name, samples]) => [
          `${name}, ${over(connections)}${suffix}`,
          samples,
        ]),
      ),
    )
  }
}

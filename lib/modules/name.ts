// A name that a file of Python offers.

/** A name of a module. */
export interface Name {
  name: string
  /** `unknown`: it is in `__all__`, and nothing is seen of it. */
  kind: 'function' | 'class' | 'literal' | 'constant' | 'type' | 'import' | 'unknown'
  /** Of a literal: how JavaScript writes it. */
  value?: string
}

/**
 * Milliseconds that what happens at once may take where the machine is busy with other things. What these bounds guard
 * against lasts ten seconds, or for ever. How fast it is, the benchmark tells.
 */
export const PATIENCE = 8_000

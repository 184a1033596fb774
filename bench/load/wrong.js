/** An error that says: the server did what no right answer does. Other errors say that it did not answer. */
export function wrong(what) {
  return Object.assign(new Error(what), { wrong: true })
}

/** What a failure leaves of a result, for the harness to judge. */
export const failure = (error) => ({ failed: error.message, wrong: error.wrong === true })

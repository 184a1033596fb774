// The Versity gateway, an S3 server that checks signatures: the one that VERSITYGW names, else one that Go builds.
import { goProgram } from './go-program.mjs'

/** The program. */
export const versityGateway = () =>
  goProgram({
    title: 'a Versity gateway',
    place: 'versitygw/versitygw',
    source: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0',
    variable: 'VERSITYGW',
  })

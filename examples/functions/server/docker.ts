/** The client of Docker's API, by a path of a socket or by what the environment says. */
import Docker from 'dockerode'

export type { Docker }

/** @param socketPath default: DOCKER_HOST, else /var/run/docker.sock */
export const dockerClient = (socketPath?: string): Docker => new Docker(socketPath === undefined ? {} : { socketPath })

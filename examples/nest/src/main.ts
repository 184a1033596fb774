// Nest with a Python app: `npm start` in this folder.
import 'reflect-metadata'
import { Controller, Get, Injectable, Module, type CanActivate, type ExecutionContext } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { AmphisModule } from 'amphis/nest'
import { app, listening, port, userOf } from '../../shared/users.js'

interface Request {
  headers: Record<string, string | undefined>
  user?: string | undefined
  res: { append(name: string, value: string): void }
}

/** Lets everybody in, and notes who it is. */
@Injectable()
class UserGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>()
    request.user = userOf(request.headers)
    request.res.append('set-cookie', 'node=1')
    return true
  }
}

@Controller()
class HomeController {
  @Get()
  home() {
    return { from: 'Nest' }
  }
}

@Module({
  imports: [
    AmphisModule.forRoot({
      app,
      path: '/api',
      guards: [UserGuard],
      context: (request: Request) => ({ user: request.user }),
    }),
  ],
  controllers: [HomeController],
})
class AppModule {}

const server = await NestFactory.create(AppModule, { logger: ['error', 'warn'], forceCloseConnections: true })
server.enableShutdownHooks()
await server.listen(port)
listening(server.getHttpServer())

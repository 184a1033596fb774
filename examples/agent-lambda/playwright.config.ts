// The tests of the service over HTTP. `api` is for any URL: what runs here, or what LAMBDA_API_URL names. `local` is for what
// only a service on this machine can be brought to.
import { defineConfig } from '@playwright/test'

export default defineConfig({
  testDir: 'tests',
  // One after another: each turn is a process of 200 MB.
  workers: 1,
  timeout: 300_000,
  reporter: 'list',
  forbidOnly: true,
  globalSetup: './tests/helpers/setup.ts',
  projects: [
    { name: 'api', testMatch: '*.spec.ts', testIgnore: 'local/**' },
    ...(process.env['LAMBDA_API_URL'] ? [] : [{ name: 'local', testMatch: 'local/*.spec.ts' }]),
  ],
})

import { Card } from './card.js'
import { answer, formatBytes, formatMs } from './http.js'

const RANDOM_BYTES = 5_000_000

export function uploads() {
  const card = new Card('uploads')
  const { file } = card.form.elements
  const progress = card.element.querySelector('progress')
  const meter = card.field('progress')

  const upload = async (chosen) => {
    card.exchange.sending('POST', '/api/uploads')
    const seen = []
    const onProgress = ({ loaded, total }) => {
      progress.value = loaded / total
      seen.push(progress.value)
      progress.dataset.seen = seen.join(' ')
      meter.textContent = `${Math.round(100 * progress.value)} %`
    }
    const [hash, got] = await Promise.all([sha256(chosen), post('/api/uploads', chosen, onProgress)])
    card.exchange.answered(got)
    if (got.status !== 200) return

    const rate = formatBytes((chosen.size / got.ms) * 1000)
    const verdict = hash === undefined ? '' : hash === got.json.sha256 ? ', hashes match' : ', HASHES DIFFER'
    meter.textContent = `${formatBytes(chosen.size)} in ${formatMs(got.ms)}, ${rate}/s${verdict}`
  }

  card.onSubmit(async () => {
    if (!file.files[0]) throw new Error('Choose a file first, or send random bytes.')
    await upload(file.files[0])
  })
  const runRandom = () => upload(randomFile())
  card.onClick('[data-preset="random"]', runRandom)
  card.exchange.preview('POST', '/api/uploads')
  return () => card.attempt(runRandom)
}

/** XMLHttpRequest, because fetch does not tell how much has been sent. */
function post(target, chosen, onProgress) {
  const form = new FormData()
  form.append('file', chosen)
  return new Promise((resolve, reject) => {
    const started = performance.now()
    const request = new XMLHttpRequest()
    request.upload.onprogress = onProgress
    request.onload = () =>
      resolve(answer(request.status, request.statusText, performance.now() - started, request.responseText))
    request.onerror = () => reject(new Error('The connection was lost during the upload.'))
    request.open('POST', target)
    request.send(form)
  })
}

/** The browser's own hash; undefined where a page without TLS may not use crypto.subtle. */
async function sha256(blob) {
  if (!crypto.subtle) return undefined
  const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer())
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function randomFile() {
  const bytes = new Uint8Array(RANDOM_BYTES)
  // getRandomValues gives 64 KiB at most.
  for (let at = 0; at < bytes.length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536))
  return new File([bytes], 'random.bin', { type: 'application/octet-stream' })
}

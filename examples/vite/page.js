const text = document.querySelector('#text')

async function count() {
  const response = await fetch(`/api/words?${new URLSearchParams({ text: text.value })}`)
  const words = Object.entries(await response.json())
  document.querySelector('#words').textContent = words.map(([word, times]) => `${word} ${times}`).join(', ')
}

text.addEventListener('input', count)
await count()

const socket = new WebSocket('/api/echo')
socket.addEventListener('open', () => socket.send('hello'))
socket.addEventListener('message', ({ data }) => {
  document.querySelector('#echo').textContent = data
})

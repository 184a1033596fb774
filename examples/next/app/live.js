'use client'
import { useEffect, useState } from 'react'

/** What the browser asks Python for: who it is, and events for as long as the page is there. */
export function Live() {
  const [user, setUser] = useState('…')
  const [event, setEvent] = useState('…')
  useEffect(() => {
    const leaving = new AbortController()
    const ask = async () => {
      const response = await fetch('/api/me', { signal: leaving.signal })
      setUser(response.ok ? (await response.json()).user : 'nobody')
    }
    ask().catch(() => {})
    const events = new EventSource('/api/events')
    events.addEventListener('message', ({ data }) => setEvent(data))
    return () => {
      leaving.abort()
      events.close()
    }
  }, [])
  return (
    <>
      <p id="user">Python knows: {user}</p>
      <p id="event">Event {event}</p>
    </>
  )
}

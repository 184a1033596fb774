export default function Page() {
  return <p>from Next.js</p>
}

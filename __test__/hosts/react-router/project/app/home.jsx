export default function Home() {
  return <p>from React Router</p>
}

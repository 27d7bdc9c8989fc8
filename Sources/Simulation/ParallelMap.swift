import Dispatch
import Synchronization

/// Results of a function over a list, in its order, worked out by so many threads.
///
/// Which thread does what is left to chance; what comes back does not depend on it.
package func parallelMap<Element: Sendable, Value: Sendable>(
  _ elements: [Element], threads: Int, _ body: @Sendable (Element) -> Value
) -> [Value] {
  guard threads > 1, elements.count > 1 else { return elements.map(body) }
  let results = Mutex([Value?](repeating: nil, count: elements.count))
  let next = Atomic<Int>(0)
  DispatchQueue.concurrentPerform(iterations: min(threads, elements.count)) { _ in
    while true {
      let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard index < elements.count else { return }
      let value = body(elements[index])
      results.withLock { $0[index] = value }
    }
  }
  return results.withLock { $0.compactMap(\.self) }
}

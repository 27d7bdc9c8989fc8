import Foundation
import Synchronization

/// Ctrl-C as a wish: what has been found so far is printed; a second one ends the program at once.
enum Interruption {
  private static let count = Atomic<Int>(0)

  /// Takes SIGINT and SIGTERM over from now on.
  static func watch() {
    // The counter is made before a handler needs it.
    _ = count.load(ordering: .relaxed)
    for number in [SIGINT, SIGTERM] {
      signal(number) { number in
        if Interruption.count.add(1, ordering: .relaxed).oldValue > 0 {
          signal(number, SIG_DFL)
          raise(number)
        }
      }
    }
  }

  /// Whether there was one.
  static var isWished: Bool { count.load(ordering: .relaxed) > 0 }
}

/// A search was interrupted, behind what it had found.
struct Interrupted: Error, CustomStringConvertible {
  var description: String
}

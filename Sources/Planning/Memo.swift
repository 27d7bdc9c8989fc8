import Synchronization

/// Results of a function that was asked before, for all threads of a search: who asks for what another is
/// about to work out waits for it.
final class Memo<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private final class Cell: Sendable {
    let result = Mutex<Result<Value, any Error>?>(nil)
  }

  private let cells = Mutex<[Key: Cell]>([:])

  /// The value of a key.
  ///
  /// - Parameter make: works it out; it asks for no other key of this memo.
  func callAsFunction(_ key: Key, _ make: () throws -> Value) throws -> Value {
    let cell = cells.withLock { cells -> Cell in
      if let known = cells[key] { return known }
      let made = Cell()
      cells[key] = made
      return made
    }
    let result = cell.result.withLock { slot -> Result<Value, any Error> in
      if let known = slot { return known }
      let made = Result { try make() }
      slot = made
      return made
    }
    return try result.get()
  }
}

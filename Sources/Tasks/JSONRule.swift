import Documents

/// What a rule asks of an answer in JSON.
public struct JSONRule: RewardRule {
  /// From the least to the most; each is a rule of its own, so that each is logged apart.
  public enum Demand: Sendable {
    /// The answer is JSON.
    case parses
    /// It has the types and keys of a schema.
    case fits(JSONSchema)
    /// It has the right values under the right keys, in any order of keys.
    case values
    /// Its keys stand in the right order, whatever their values.
    case order
  }

  private let demand: Demand
  private let field: String
  private let place: AnswerPlace

  public init(_ demand: Demand, field: String = "answer", place: AnswerPlace = .whole) {
    (self.demand, self.field, self.place) = (demand, field, place)
  }

  public var neededField: String? {
    switch demand {
    case .parses, .fits: nil
    case .values, .order: field
    }
  }

  public func reward(of completion: String, to prompt: TaskPrompt) throws -> Double {
    // Wrong prompts are noticed whatever the answer.
    let right = try right(for: prompt)
    guard let text = place.answer(in: completion), let answer = try? JSONValue(Array(text.utf8))
    else { return 0 }
    let isGood =
      switch demand {
      case .parses: true
      case .fits(let schema): schema.admits(answer)
      case .values: answer.hasValues(of: right)
      case .order: answer.hasOrder(of: right)
      }
    return isGood ? 1 : 0
  }

  /// The right answer where it matters: a text that holds JSON, or the value itself.
  private func right(for prompt: TaskPrompt) throws -> JSONValue {
    switch demand {
    case .parses, .fits: return .null
    case .values, .order: break
    }
    let text = try prompt.text(of: field)
    guard let value = try? JSONValue(Array(text.utf8)) else {
      throw RewardFailure(
        "the prompt's \(printable(field)) is not JSON: \(printable(text))", kind: "no JSON")
    }
    return value
  }
}

extension JSONValue {
  /// Whether two values are equal but for the order of keys; numbers by value.
  func hasValues(of other: JSONValue) -> Bool {
    switch (self, other) {
    case (.list(let mine), .list(let theirs)):
      return mine.count == theirs.count && zip(mine, theirs).allSatisfy { $0.hasValues(of: $1) }
    case (.table(let mine), .table(let theirs)):
      // Keys are not twice in a table, so as many with equal values are all of them.
      return mine.count == theirs.count
        && mine.allSatisfy { entry in
          other[entry.key].map { $0.hasValues(of: entry.value) } ?? false
        }
    case (.string(let mine), .string(let theirs)): return mine.utf8.elementsEqual(theirs.utf8)
    // A number with a point holds fewer digits than a whole one may have.
    case (.integer(let mine), .integer(let theirs)): return mine == theirs
    case (.long(let mine), .long(let theirs)): return mine == theirs
    case (.integer, .long), (.long, .integer): return false
    default:
      if let mine = double, let theirs = other.double { return mine == theirs }
      return self == other
    }
  }

  /// Whether the keys of all tables within stand in the order of another value's.
  func hasOrder(of other: JSONValue) -> Bool {
    switch (self, other) {
    case (.list(let mine), .list(let theirs)):
      mine.count == theirs.count && zip(mine, theirs).allSatisfy { $0.hasOrder(of: $1) }
    case (.table(let mine), .table(let theirs)):
      mine.map(\.key) == theirs.map(\.key)
        && zip(mine, theirs).allSatisfy { $0.value.hasOrder(of: $1.value) }
    case (.list, _), (.table, _), (_, .list), (_, .table): false
    default: true
    }
  }
}

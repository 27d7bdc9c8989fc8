import Documents
import Tokens

/// A completion of a prompt, with all that a policy learns from it.
package struct Completion: Hashable, Sendable {
  /// The prompt's number in its file.
  var promptNumber: Int
  var prompt: [Int32]
  /// The token that ends it among them, if it has ended.
  var tokens: [Int32]
  /// Whether it ended by itself, before it had the most tokens that it may have.
  var isEnded: Bool
  /// The log-probability of each token as it was sampled; empty where the completion was given.
  var sampled: [Float] = []
  /// The weighted sum of what rules gave.
  var reward = 0.0
  /// What each rule gave, not weighted.
  var rewards: [Double] = []
  /// The log-probabilities at the rollout's beginning, as training computes them.
  var old: [Float] = []
  /// The log-probabilities under the reference; empty without one.
  var reference: [Float] = []
}

extension Completion {
  /// Tokens behind those of a prompt, of which nothing else is known.
  package init(prompt: [Int32], tokens: [Int32]) {
    self.init(promptNumber: 0, prompt: prompt, tokens: tokens, isEnded: false)
  }

  /// Whether the reference has said how likely each token is.
  var hasReference: Bool { reference.count == tokens.count }
}

/// Completions that a policy learns from until it makes the next ones: whole groups, one behind the other.
struct Rollout: Hashable, Sendable {
  /// The update that it was made before, from 0.
  var update: Int
  var completions: [Completion]
}

extension Rollout {
  /// The rollout as JSON, for a checkpoint between its updates; numbers bit by bit.
  var bytes: [UInt8] {
    func list(_ numbers: some Sequence<some BinaryInteger>) -> String {
      "[\(numbers.map { "\($0)" }.joined(separator: ","))]"
    }
    let lines = completions.map { completion in
      let rewards = completion.rewards.map(\.bitPattern).map { Int64(bitPattern: $0) }
      return "{\"number\":\(completion.promptNumber),\"prompt\":\(list(completion.prompt)),"
        + "\"tokens\":\(list(completion.tokens)),\"ended\":\(completion.isEnded),"
        + "\"sampled\":\(list(completion.sampled.map(\.bitPattern))),"
        + "\"reward\":\(Int64(bitPattern: completion.reward.bitPattern)),"
        + "\"rewards\":\(list(rewards)),\"old\":\(list(completion.old.map(\.bitPattern))),"
        + "\"reference\":\(list(completion.reference.map(\.bitPattern)))}"
    }
    return Array(
      "{\"update\":\(update),\"completions\":[\n\(lines.joined(separator: ",\n"))\n]}\n".utf8)
  }

  /// The name of the file in a checkpoint.
  static let fileName = "rollout.json"

  /// Reads what `bytes` wrote.
  init(_ bytes: [UInt8], file: String) throws(CheckpointError) {
    let value = try JSONValue(bytes, of: file)
    guard let update = value["update"]?.number, let items = value["completions"]?.items else {
      throw CheckpointError(.damaged, file: file, rule: "is no rollout")
    }
    var completions: [Completion] = []
    for item in items {
      func numbers(_ key: String) -> [Int] { item[key]?.items?.compactMap(\.number) ?? [] }
      func floats(_ key: String) -> [Float] {
        numbers(key).map { Float(bitPattern: UInt32(truncatingIfNeeded: $0)) }
      }
      func double(_ number: Int) -> Double {
        Double(bitPattern: UInt64(bitPattern: Int64(number)))
      }
      guard let number = item["number"]?.number, let reward = item["reward"]?.number,
        let isEnded = item["ended"]?.flag
      else { throw CheckpointError(.damaged, file: file, rule: "has a completion that is none") }
      let completion = Completion(
        promptNumber: number, prompt: numbers("prompt").map { Int32(truncatingIfNeeded: $0) },
        tokens: numbers("tokens").map { Int32(truncatingIfNeeded: $0) }, isEnded: isEnded,
        sampled: floats("sampled"), reward: double(reward),
        rewards: numbers("rewards").map(double), old: floats("old"),
        reference: floats("reference"))
      guard !completion.prompt.isEmpty, completion.old.count == completion.tokens.count,
        completion.sampled.isEmpty || completion.sampled.count == completion.tokens.count
      else {
        throw CheckpointError(.damaged, file: file, rule: "has a completion without its numbers")
      }
      completions.append(completion)
    }
    self.init(update: update, completions: completions)
  }
}

/// The completions of an update as sequences: prompt and completion, filled up; the completion's tokens are
/// predicted.
package final class CompletionSequences: SequenceSource {
  let length: Int
  private(set) var completions: [Completion] = []
  private var marks: [SequenceMarks] = []

  /// Sequences of so many positions.
  package init(length: Int) { self.length = length }

  /// Takes the completions of an update, with the target of every token.
  ///
  /// - Parameter targets: by completion and token; nil where no gradients are wanted.
  package func take(_ completions: [Completion], targets: [[PolicyTarget]]? = nil) {
    let columns = PolicyTarget.none.columns
    self.completions = completions
    marks = completions.indices.map { index in
      let completion = completions[index]
      let range = positions(of: completion)
      var isPredicted = [Bool](repeating: false, count: length)
      for position in range { isPredicted[position] = true }
      var made: [Float] = []
      made.reserveCapacity(length * columns.count)
      for position in 0..<length {
        let target = range ~= position ? targets?[index][position - range.lowerBound] : nil
        made += target?.columns ?? columns
      }
      return SequenceMarks(isPredicted: isPredicted, targets: made)
    }
  }

  /// The positions behind which the tokens of a completion stand.
  func positions(of completion: Completion) -> Range<Int> {
    let first = completion.prompt.count - 1
    return first..<first + completion.tokens.count
  }

  package func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
    let completion = completions[index]
    let text = completion.prompt + completion.tokens
    let filling = [Int32](repeating: -1, count: length + 1 - text.count)
    (text + filling).withUnsafeBufferPointer(body)
  }

  package func marks(_ index: Int) -> SequenceMarks? { marks[index] }

  package func followedTokens() -> Int? {
    completions.reduce(0) { $0 + $1.prompt.count + $1.tokens.count - 1 }
  }

  /// Of a prediction module fewer where a prompt is short: no position stands far enough in front of a
  /// completion's first tokens.
  package func labelCount(module: Int) -> Int? {
    completions.reduce(0) { sum, completion in
      let missing = max(0, module - positions(of: completion).lowerBound)
      return sum + max(0, completion.tokens.count - missing)
    }
  }
}

extension PolicyTarget {
  /// That of a token that is no label.
  static let none = PolicyTarget(
    weight: 0, advantage: 0, oldLogProbability: 0, referenceLogProbability: 0)
}

/// A program's judgement of an answer, in place of a person's or another model's.
public protocol RewardRule: Sendable {
  /// How good a completion is: of most rules 1 for a good one and 0 for any other.
  ///
  /// - Throws: where the rule cannot judge, such as for a prompt without the field that it asks for. Who
  ///   calls counts 0 and says so.
  func reward(of completion: String, to prompt: TaskPrompt) throws -> Double

  /// The same for many answers, each with a reward or the reason why it has none.
  func rewards(of answers: [TaskAnswer]) -> [Result<Double, RewardFailure>]

  /// The same, with what there is to remark though all were judged.
  func judgement(
    of answers: [TaskAnswer]
  ) -> (rewards: [Result<Double, RewardFailure>], remark: RewardFailure?)

  /// The field that a prompt must have to be judged; nil where none is needed.
  var neededField: String? { get }
}

extension RewardRule {
  public func judgement(
    of answers: [TaskAnswer]
  ) -> (rewards: [Result<Double, RewardFailure>], remark: RewardFailure?) {
    (rewards(of: answers), nil)
  }

  /// Nil: none.
  public var neededField: String? { nil }

  public func rewards(of answers: [TaskAnswer]) -> [Result<Double, RewardFailure>] {
    answers.map { answer in
      do {
        return .success(try reward(of: answer.completion, to: answer.prompt))
      } catch let failure as RewardFailure {
        return .failure(failure)
      } catch {
        return .failure(RewardFailure("\(error)"))
      }
    }
  }
}

/// Why a rule has no reward for an answer.
public struct RewardFailure: Error, Hashable, Sendable, CustomStringConvertible {
  public var description: String
  /// What it has in common with failures that are not worth being told of again.
  let kind: String

  /// A reason; of a kind of its own unless told otherwise.
  public init(_ description: String, kind: String? = nil) {
    (self.description, self.kind) = (description, kind ?? description)
  }
}

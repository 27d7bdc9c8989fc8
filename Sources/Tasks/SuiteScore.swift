/// How a model did on some questions.
public struct SuiteScore: Hashable, Sendable {
  public var questions: Int
  /// Completions of all questions.
  public var samples: Int
  /// The mean over questions of the share of their samples that are right: pass@1.
  public var right: ShareEstimate
  /// The share of questions whose most frequent answer is right, of equally frequent ones the first:
  /// maj@k with k samples a question.
  public var voted: ShareEstimate
  /// The mean over questions of the share of their samples that have the form asked for.
  public var wellFormed: ShareEstimate
  /// Tokens of a completion in the mean; nil where they are not known.
  public var meanTokens: Double?
  /// All tokens over all right completions; nil where they are not known or nothing is right.
  public var tokensPerRight: Double?

  /// Grades the completions of questions; a question without any counts as wrong.
  ///
  /// - Precondition: there are questions, and as many lists of completions.
  public init(_ questions: [TaskQuestion], _ completions: [[SuiteCompletion]]) {
    precondition(!questions.isEmpty && questions.count == completions.count)
    var (right, formed, voted) = (0.0, 0.0, 0)
    var (tokens, isKnown, rightSamples, samples) = (0, true, 0, 0)
    let graders = Dictionary(
      uniqueKeysWithValues: Set(questions.map(\.kind)).map { ($0, TaskGrader($0)) })
    for (question, completions) in zip(questions, completions) where !completions.isEmpty {
      let grades = completions.compactMap {
        graders[question.kind]?.grade($0.text, of: question)
      }
      let count = Double(grades.count)
      let rightHere = grades.count { $0.isRight }
      right += Double(rightHere) / count
      formed += Double(grades.count { $0.isWellFormed }) / count
      if Self.favourite(of: grades)?.isRight == true { voted += 1 }
      rightSamples += rightHere
      samples += grades.count
      for completion in completions {
        if let count = completion.tokens { tokens += count } else { isKnown = false }
      }
    }
    self.questions = questions.count
    self.samples = samples
    let count = questions.count
    self.right = ShareEstimate(right / Double(count), of: count)
    self.voted = ShareEstimate(Double(voted) / Double(count), of: count)
    wellFormed = ShareEstimate(formed / Double(count), of: count)
    if isKnown, samples > 0 {
      meanTokens = Double(tokens) / Double(samples)
      tokensPerRight = rightSamples > 0 ? Double(tokens) / Double(rightSamples) : nil
    }
  }

  /// The most frequent answer; of equally frequent ones the first.
  private static func favourite(of grades: [TaskGrader.Grade]) -> TaskGrader.Grade? {
    var votes: [(grade: TaskGrader.Grade, count: Int)] = []
    for grade in grades {
      if let place = votes.firstIndex(where: { $0.grade.answer == grade.answer }) {
        votes[place].count += 1
        // The same answer may be right with one form around it and not with another.
        if grade.isRight { votes[place].grade = grade }
      } else {
        votes.append((grade, 1))
      }
    }
    let most = votes.map(\.count).max()
    return votes.first { $0.count == most }?.grade
  }
}

/// A share with its uncertainty.
public struct ShareEstimate: Hashable, Sendable {
  public var share: Double
  /// The interval that holds the true share with 95 % (Wilson, "Probable inference, the law of
  /// succession, and statistical inference", 1927), the questions being the trials: several samples of a
  /// question make it narrower than this in truth.
  public var low: Double
  public var high: Double

  public init(_ share: Double, of trials: Int) {
    precondition(trials > 0 && share >= 0 && share <= 1)
    // The 97.5th percentile of the standard normal distribution.
    let z = 1.959963984540054
    let n = Double(trials)
    let middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    let half =
      z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
    self.share = share
    // The bounds of an extreme share are itself, but for rounding.
    low = share == 0 ? 0 : max(0, middle - half)
    high = share == 1 ? 1 : min(1, middle + half)
  }
}

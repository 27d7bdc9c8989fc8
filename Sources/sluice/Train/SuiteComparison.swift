#if MPI
  import Documents
  import Foundation
  import MessagePassing
  import Quantities
  import Reports
  import Tasks
  import Tokens
  import Training

  /// Models side by side on a suite: asked, graded, shown.
  struct SuiteComparison: Sendable {
    /// How models that answer here choose their tokens.
    struct Settings: Hashable, Sendable {
      var temperature: Double
      var topShare: Double
      var samples: Int
      var maximumTokens: Int
      var isInstructing: Bool
      /// Whether questions are put as they are to a model that has a chat template, too.
      var isRaw: Bool
    }

    /// A model with its completions of every question.
    struct Model: Sendable {
      var name: String
      var completions: [[SuiteCompletion]]
    }

    var suite: RuleSuite
    var checkpoints: [String]
    var tokenizer: String?
    var answers: [(name: String, file: String)]
    var sampling: Settings
    /// Whether the table has a line for each task, not for each group of tasks.
    var isByTask: Bool
    var json: Bool
    /// Where the page to look at goes; nil without one.
    var report: OutputPath?

    func run() throws {
      guard !checkpoints.isEmpty else { return try display([], seconds: 0) }
      try prepareProcessor()
      try withWorld { communicator in
        let start = ContinuousClock.now
        var models: [Model] = []
        for checkpoint in checkpoints {
          models.append(
            Model(name: checkpoint, completions: try ask(checkpoint, communicator)))
        }
        guard communicator.rank == 0 else { return }
        try display(models, seconds: (ContinuousClock.now - start) / .seconds(1))
      }
    }

    /// A checkpoint's completions of every question; a collective.
    private func ask(
      _ checkpoint: String, _ communicator: any Communicator
    ) throws -> [[SuiteCompletion]] {
      let (model, tokenizer, prompts) = try agreed(communicator) {
        let model = try CheckpointModel(path: checkpoint, tokenizer: self.tokenizer)
        let tokenizer = try model.tokenizers.ofText("--suite").tokenizer
        return (model, tokenizer, try encoded(by: tokenizer, for: model))
      }
      let most = model.architecture.maximumPositions
      // A question that leaves no room for an answer, or has a character of no token, is not asked.
      let fitting = prompts.map { prompt in
        prompt.flatMap { !$0.isEmpty && $0.count + 1 < most ? $0 : nil }
      }
      let missing = fitting.count { $0 == nil }
      if missing > 0, communicator.rank == 0 {
        note(
          "sluice: \(checkpoint): \(missing) of \(fitting.count) questions count as wrong: too long "
            + "for its positions, or of characters that its tokenizer has no token for\n")
      }
      let asked = fitting.enumerated().compactMap { number, tokens in
        tokens.map { AnswerSampler.Prompt(tokens: $0, number: number) }
      }
      guard !asked.isEmpty else { return fitting.map { _ in [] } }
      let longest = asked.map(\.tokens.count).max() ?? 1
      let whole = asked.count * sampling.samples
      let sampler = try AnswerSampler(
        model, by: tokenizer, positions: min(most, longest + sampling.maximumTokens),
        wanted: whole, communicator)
      let progress = communicator.rank == 0 ? SlowProgress(checkpoint) : nil
      defer { progress?.end() }
      let answers = try sampler.answers(
        to: asked, samples: sampling.samples, count: sampling.maximumTokens,
        Sampling(temperature: sampling.temperature, topShare: sampling.topShare), seed: suite.seed
      ) { progress?.show(Double($0) / Double(whole)) }
      var completions = [[SuiteCompletion]](repeating: [], count: fitting.count)
      for (prompt, answers) in zip(asked, answers) {
        completions[prompt.number] = answers.map { answer in
          SuiteCompletion(
            text: String(decoding: tokenizer.decode(answer.tokens), as: UTF8.self),
            tokens: answer.tokens.count + (answer.hasEnded ? 1 : 0))
        }
      }
      return completions
    }

    /// The prompts as tokens of a model, as its chat template shows them to it where it has one; nil for one
    /// that its tokenizer has no tokens for.
    private func encoded(by tokenizer: Tokenizer, for model: CheckpointModel) throws -> [[Int]?] {
      try suite.questions.map { question in
        let text = question.prompt(instructing: sampling.isInstructing).text
        let shown = sampling.isRaw ? nil : try tokenizer.chatPrompt(text)
        let tokens = shown ?? (try? tokenizer.encode(Array(text.utf8)))
        let known = model.architecture.vocabularySize
        return tokens.flatMap { tokens in
          // What stands for all unknown characters is none of the question's.
          tokens.allSatisfy { $0 < known && Int32($0) != tokenizer.unknown } ? tokens : nil
        }
      }
    }

    /// Grades what was answered here and elsewhere, and prints it.
    private func display(_ own: [Model], seconds: Double) throws {
      var models = own
      for (name, file) in answers {
        let completions = try suite.answers(in: file)
        let missing = completions.count { $0.isEmpty }
        if missing > 0 {
          note(
            "sluice: \(name): \(missing) of \(completions.count) questions have no answer and count "
              + "as wrong\n")
        }
        models.append(Model(name: name, completions: completions))
      }
      let page = SuitePage(suite: suite, models: models.map { ($0.name, $0.completions) })
      let figures = page.figures(inputs: inputs, seconds: seconds)
      let found = try page.report(figures, isByTask: isByTask)
      try ReportOptions.write(found, to: report)
      try show(json ? try jsonText(figures) : found.text)
    }

    private var inputs: SuitePage.Inputs {
      let isAsked = !checkpoints.isEmpty
      return SuitePage.Inputs(
        seed: suite.seed, questions: suite.questions.count,
        samples: isAsked ? sampling.samples : nil,
        temperature: isAsked ? sampling.temperature : nil,
        topP: isAsked ? sampling.topShare : nil,
        maxTokens: isAsked ? sampling.maximumTokens : nil,
        instructions: isAsked ? sampling.isInstructing : nil, tokenizer: tokenizer)
    }
  }
#endif

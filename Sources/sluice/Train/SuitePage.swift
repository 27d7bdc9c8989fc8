#if MPI
  import Documents
  import Foundation
  import Reports
  import Tasks

  /// What a suite says of models, as figures.
  struct SuitePage {
    var suite: RuleSuite
    var models: [(name: String, completions: [[SuiteCompletion]])]

    /// What the figures were computed from.
    struct Inputs: Encodable {
      var version = Version.current
      var suite = "rules"
      var seed: UInt64
      /// Of all tasks and tiers together.
      var questions: Int
      /// The rest is nil where only answers from elsewhere are graded.
      var samples: Int?
      var temperature: Double?
      var topP: Double?
      var maxTokens: Int?
      var instructions: Bool?
      var tokenizer: String?
    }

    /// A share with the bounds of its interval.
    struct Share: Encodable {
      var share: Double
      var low: Double
      var high: Double

      init(_ estimate: ShareEstimate) {
        (share, low, high) = (estimate.share, estimate.low, estimate.high)
      }
    }

    /// How a model did on a part of the suite.
    struct Row: Encodable {
      var model: String
      /// A group of tasks; nil for all of them.
      var group: String?
      /// A task; nil for a whole group.
      var task: String?
      /// Nil for both.
      var tier: Int?
      var questions: Int
      var samples: Int
      var passAt1: Share
      var majority: Share
      var validForm: Share
      var meanTokens: Double?
      var tokensPerRight: Double?
    }

    struct Figures: Encodable {
      var rows: [Row]
      /// Wall time of the answers that were made here.
      var seconds: Double
      var inputs: Inputs
    }

    /// All rows: of every task and tier, of every group and tier, of the whole.
    func figures(inputs: Inputs, seconds: Double) -> Figures {
      Figures(
        rows: rows(isByTask: true) + rows(isByTask: false) + wholes, seconds: seconds,
        inputs: inputs)
    }

    /// The rows of each part, the models below each other.
    private func rows(isByTask: Bool) -> [Row] {
      var parts: [(group: TaskKind.Group, kind: TaskKind?, tier: Int)] = []
      for question in suite.questions {
        let kind = isByTask ? question.kind : nil
        let isKnown = parts.contains {
          $0.group == question.kind.group && $0.kind == kind && $0.tier == question.tier
        }
        if !isKnown { parts.append((question.kind.group, kind, question.tier)) }
      }
      return parts.flatMap { part in
        models.map { model in
          row(model, group: part.group, task: part.kind, tier: part.tier) { question in
            question.kind.group == part.group && question.tier == part.tier
              && (part.kind == nil || question.kind == part.kind)
          }
        }
      }
    }

    private var wholes: [Row] {
      models.map { row($0, group: nil, task: nil, tier: nil) { _ in true } }
    }

    private func row(
      _ model: (name: String, completions: [[SuiteCompletion]]), group: TaskKind.Group?,
      task: TaskKind?, tier: Int?, where isMeant: (TaskQuestion) -> Bool
    ) -> Row {
      let meant = suite.questions.indices.filter { isMeant(suite.questions[$0]) }
      let score = SuiteScore(
        meant.map { suite.questions[$0] }, meant.map { model.completions[$0] })
      return Row(
        model: model.name, group: group?.rawValue, task: task?.rawValue, tier: tier,
        questions: score.questions, samples: score.samples, passAt1: Share(score.right),
        majority: Share(score.voted), validForm: Share(score.wellFormed),
        meanTokens: score.meanTokens, tokensPerRight: score.tokensPerRight)
    }
  }
#endif

#if MPI
  import Foundation
  import Reports

  extension SuitePage {
    /// The page to look at: the models over all questions, then part by part.
    func report(_ figures: Figures, isByTask: Bool) throws -> ReportPage {
      let all = figures.rows.indices.filter { figures.rows[$0].group == nil }
      let parts = figures.rows.indices.filter { index in
        figures.rows[index].group != nil && (figures.rows[index].task != nil) == isByTask
      }
      let wholes = all.map { figures.rows[$0] }
      var page = try ReportPage("evaluate", verdict: verdict(wholes), figures: figures)
      page.inputs = lines(of: figures.inputs)
      let shortened = models.map(\.name).filter { label(of: $0) != $0 }
      if !shortened.isEmpty {
        page.inputs.append(
          .init(
            "Models", "\(shortened.count) by the end of their names",
            details: shortened.map { "\(label(of: $0)) is \($0)" }, in: .foot))
      }
      var bars = BarPicture(
        "Right answers", description: "The share of right answers (pass@1) of every model",
        bars: wholes.map { (label(of: $0.model), [.init("pass@1", $0.passAt1.share, .accent)]) },
        text: { String(format: "%.1f %%", $0 * 100) })
      bars.most = 1
      page.sections = [
        .init(
          "All questions",
          lead:
            "Shares with intervals of 95 % over questions; beside each other they tell models apart "
            + "only where they do not overlap.",
          [.picture(bars), .table(table("All questions", figures.rows, all, names: nil))]),
        .init(
          isByTask ? "By task" : "By group of tasks",
          [
            .table(
              table(
                isByTask ? "By task and tier" : "By group and tier", figures.rows, parts,
                names: isByTask ? "task" : "group"))
          ]),
      ]
      return page
    }

    /// The longest name of a model in a table.
    private static let longestLabel = 24

    /// What a table calls a model: of a path as many of its last parts as tell it from the others, and of a
    /// long name its end.
    private func label(of name: String) -> String {
      let names = models.map(\.name)
      let parts = name.split(separator: "/")
      guard name.contains("/"), !parts.isEmpty else { return Self.cut(name) }
      for count in 1...parts.count {
        let tail = parts.suffix(count)
        let isTold = !names.contains { other in
          other != name && other.split(separator: "/").suffix(count) == tail
        }
        if isTold { return Self.cut(tail.joined(separator: "/")) }
      }
      return Self.cut(name)
    }

    private static func cut(_ name: String) -> String {
      name.count <= longestLabel ? name : "…" + name.suffix(longestLabel - 1)
    }

    private func verdict(_ wholes: [Row]) -> String {
      guard let best = wholes.max(by: { $0.passAt1.share < $1.passAt1.share }) else {
        return "No model was asked."
      }
      let share = String(format: "%.1f %%", best.passAt1.share * 100)
      let others = wholes.filter { $0.model != best.model }
      guard !others.isEmpty else {
        return "\(share) of the answers of \(label(of: best.model)) are right."
      }
      if others.contains(where: { $0.passAt1.share == best.passAt1.share }) {
        return "\(share) of the answers of \(label(of: best.model)) are right, and as many of "
          + "another model's."
      }
      // Intervals that overlap do not tell models apart.
      let isApart = others.allSatisfy { $0.passAt1.high < best.passAt1.low }
      return
        "\(share) of the answers of \(label(of: best.model)) are right, the most of \(wholes.count) models"
        + (isApart ? "." : ", and not apart from all others: intervals of 95 % overlap.")
    }

    private func lines(of inputs: Inputs) -> [ReportPage.Input] {
      let known: [(String, String?)] = [
        ("Suite", inputs.suite), ("Seed", "\(inputs.seed)"), ("Questions", "\(inputs.questions)"),
        ("Samples", inputs.samples.map { "\($0) of each question" }),
        ("Temperature", inputs.temperature.map { "\($0)" }),
        ("Top-p", inputs.topP.map { "\($0)" }),
        ("Answers", inputs.maxTokens.map { "at most \($0) tokens" }),
        ("Instructions", inputs.instructions.map { $0 ? "in words" : "none" }),
        ("Tokenizer", inputs.tokenizer), ("Version", inputs.version),
      ]
      return known.compactMap { name, text in text.map { .init(name, $0) } }
    }

    /// Some of the rows; `names` is the column that says the part, nil where there is one.
    private func table(
      _ title: String, _ rows: [Row], _ places: [Int], names: String?
    ) -> ReportTable {
      // In a terminal parts have no room for intervals.
      let interval = ReportTable.Column("95 %", isText: true, isAside: names != nil)
      var table = ReportTable(
        title,
        (names.map { [.init($0, isText: true), .init("tier")] } ?? [])
          + [
            .init("model", isText: true), .init("pass@1, %"), interval, .init("majority, %"),
            interval,
            .init("form, %"),
            .init("tokens"), .init("tokens per right", short: "per right"),
          ])
      for place in places {
        let row = rows[place]
        let tier = ReportFigure(
          row.tier.map(String.init) ?? "–", row.tier.map(Double.init), key: "rows.\(place).tier")
        table.add(
          (names == nil ? [] : [ReportFigure(row.task ?? row.group ?? "all"), tier]) + [
            ReportFigure(label(of: row.model)), share(row.passAt1, "rows.\(place).pass_at1"),
            bounds(row.passAt1), share(row.majority, "rows.\(place).majority"),
            bounds(row.majority), share(row.validForm, "rows.\(place).valid_form"),
            number(row.meanTokens, "rows.\(place).mean_tokens"),
            number(row.tokensPerRight, "rows.\(place).tokens_per_right"),
          ])
      }
      return table
    }

    private func share(_ share: Share, _ key: String) -> ReportFigure {
      ReportFigure(String(format: "%.1f", share.share * 100), share.share, key: "\(key).share")
    }

    private func bounds(_ share: Share) -> ReportFigure {
      ReportFigure(String(format: "%.0f–%.0f", share.low * 100, share.high * 100))
    }

    private func number(_ value: Double?, _ key: String) -> ReportFigure {
      value.map { ReportFigure(String(format: "%.1f", $0), $0, key: key) } ?? ReportFigure("–")
    }
  }
#endif

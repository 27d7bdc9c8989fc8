import Foundation
import Testing

/// Plans side by side, and where they may come from.
@Suite struct CompareTests {
  private static let place = "--model megatron-7.5b --cluster a100-selene"
  private static let plan = "megatron-sc21-7.5b"

  private func compare(_ arguments: String) throws -> Command {
    let result = try Command.run("compare \(arguments) \(Self.place)")
    #expect(result.status == 0, "\(result.errors)")
    let isPage = !arguments.contains("--csv") && !arguments.contains("--json")
    for line in result.output.split(separator: "\n") where isPage {
      #expect(line.count <= 100, "\(line)")
    }
    return result
  }

  /// A file with the plan that ships, some lines changed.
  private func write(
    _ name: String, in scratch: Scratch, _ changes: (old: String, new: String)...
  ) throws -> String {
    var text = try Command.run(["plan", Self.plan, "--print"]).output
    for change in changes {
      #expect(text.contains(change.old))
      text = text.replacingOccurrences(of: change.old, with: change.new)
    }
    return try scratch.write(text, name)
  }

  @Test func budgetAndPriceAreShown() throws {
    let page = try compare("\(Self.plan) \(Self.plan) --tokens 1.5T --price 3.25").output
    let plain = try compare("\(Self.plan) \(Self.plan)").output
    for name in [
      "US$ per GPU-hour", "GPU-hours for 1.50 T tokens", "US$ for 1.50 T tokens",
      "days for 1.50 T tokens",
    ] { #expect(page.contains("\n  \(name)  "), "\(page)") }
    #expect(page.contains(" 3.25 "))
    #expect(!plain.contains(" tokens  1") && !plain.contains("for 1.50 T"))
  }

  /// Plans of one name are told apart by their files, or by numbers where these are one too.
  @Test func equalNamesAreToldApart() throws {
    let scratch = try Scratch()
    let first = try write("first.yaml", in: scratch)
    let second = try write("second.yaml", in: scratch)
    let files = try compare("\(first) \(second)").output
    let name = "megatron-sc21-7.5b"
    #expect(files.contains("\(name) (first.yaml)") && files.contains("\(name) (second.yaml)"))
    #expect(files.contains("\n\(name) (second.yaml): step "), "\(files)")
    let same = try compare("\(first) \(first)").output
    #expect(same.contains("\(name) #1") && same.contains("\n\(name) #2: step "), "\(same)")
  }

  @Test func twelvePlansFitThePage() throws {
    let plans = Array(repeating: Self.plan, count: 12).joined(separator: " ")
    let page = try compare(plans).output
    for number in 1...12 { #expect(page.contains("\(Self.plan) #\(number)")) }
    #expect(page.contains("The plans have the same settings."))
  }

  /// Every key of a plan that differs is listed, and none that does not.
  @Test func settingsThatDiffer() throws {
    let scratch = try Scratch()
    let other = try write(
      "other.yaml", in: scratch,
      ("name: \(Self.plan)", "name: other\nzero-stage: 1"), ("dropout: true", "dropout: false"))
    let page = try compare("\(Self.plan) \(other)").output
    let table = try #require(page.range(of: "Settings that differ  "))
    let rows = page[table.upperBound...].prefix { _ in true }.split(
      separator: "\n", omittingEmptySubsequences: false
    ).prefix { !$0.isEmpty }
    for key in ["zero-stage", "dropout"] {
      #expect(rows.contains { $0.contains(key) }, "\(page)")
    }
    #expect(!rows.contains { $0.contains("global-batch") || $0.contains("name") }, "\(page)")
  }

  /// A line per plan under the names of the JSON, with the same figures.
  @Test func commaSeparated() throws {
    let arguments = "\(Self.plan) \(Self.plan) --tokens 1T"
    let lines = try compare("\(arguments) --csv").output.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    #expect(lines.count == 3)
    let data = Data(try compare("\(arguments) --json").output.utf8)
    let list = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    #expect(lines[1][0] == "\(Self.plan) #1" && lines[2][0] == "\(Self.plan) #2")
    for (line, figures) in zip(lines.dropFirst(), list) {
      for (name, cell) in zip(lines[0], line).dropFirst() {
        var value: Any? = figures
        for key in name.split(separator: ".") { value = (value as? [String: Any])?[String(key)] }
        if let number = value as? Double, !(cell == "true" || cell == "false") {
          let printed = try #require(Double(cell), "\(name)")
          #expect(abs(printed - number) <= 1e-12 * abs(number), "\(name)")
        } else if let text = value as? String {
          #expect(cell == text, "\(name)")
        } else {
          #expect(value != nil, "\(name)")
        }
      }
    }
  }

  /// A plan comes from standard input.
  @Test(arguments: ["simulate --plan -", "plan -"]) func pipedPlans(_ command: String) throws {
    let piped = try Command.shell(
      "\"$SLUICE\" plan \(Self.plan) --print | \"$SLUICE\" \(command) --json \(Self.place)")
    #expect(piped.status == 0, "\(piped.errors)")
    let object = try JSONSerialization.jsonObject(with: Data(piped.output.utf8))
    let inputs = try #require((object as? [String: Any])?["inputs"] as? [String: Any])
    let plan = try #require(inputs["plan"] as? [String: Any])
    #expect(plan["given"] as? String == "-" && plan["name"] as? String == Self.plan)
    let compared = try Command.shell(
      "\"$SLUICE\" plan \(Self.plan) --print | \"$SLUICE\" compare \(Self.plan) - \(Self.place)")
    #expect(compared.output.contains("\(Self.plan) (-): step +0.000 s"), "\(compared.output)")
  }

  @Test func faultsOfAPipedPlanNameTheirLine() throws {
    let result = try Command.shell(
      "printf 'global-batch: 2\\nzero-stge: 1\\nsequence-length: 64\\n' | "
        + "\"$SLUICE\" simulate --plan -")
    #expect(result.status == 1)
    #expect(
      result.errors
        == "sluice: standard input:2: zero-stge: unknown key; did you mean zero-stage?\n")
  }

  /// What a step needs is compared with what there is; without the flag it is only said.
  @Test(arguments: ["simulate --plan", "compare megatron-sc21-7.5b"])
  func whatDoesNotFitIsAStatus(_ command: String) throws {
    let arguments = "\(command) \(Self.plan) \(Self.place) --json"
    let small = "--set cluster.device.memory.size=20GiB"
    #expect(try Command.run("\(arguments) --require-fit").status == 0)
    #expect(try Command.run("\(arguments) \(small)").status == 0)
    let result = try Command.run("\(arguments) \(small) --require-fit")
    #expect(result.status == 8)
    #expect(result.output.contains("\"fits\" : false"))
    #expect(result.errors.hasPrefix("sluice: \(Self.plan)"), "\(result.errors)")
    #expect(result.errors.contains("does not fit: the fullest rank (position 0) needs "))
    #expect(result.errors.hasSuffix(" of 20 GiB\n"), "\(result.errors)")
  }

  /// A file of counts that the command line names lies where the command runs, one that a plan
  /// names beside the plan.
  @Test func filesOfCountsAreFound() throws {
    let scratch = try Scratch()
    let loads = (0..<32).map { "{\"layer\": \($0), \"counts\": [9, 7, 5, 3, 3, 2, 2, 1]}" }
    let counts = "{\"step\": 1, \"expert_load\": [\(loads.joined(separator: ", "))]}\n"
    for folder in ["here", "plans"] {
      try FileManager.default.createDirectory(
        atPath: scratch.file(folder), withIntermediateDirectories: true)
    }
    let plan =
      "pipeline-parallel: 2\ndata-parallel: 4\nexpert-parallel: 4\nglobal-batch: 16\n"
      + "sequence-length: 1024\ncommunication-sms: 20\n"
    _ = try scratch.write(counts, "here/load.jsonl")
    _ = try scratch.write(plan, "plans/plain.yaml")
    _ = try scratch.write(plan + "expert-load: {counts: load.jsonl}\n", "plans/counted.yaml")
    func run(_ plan: String, _ more: [String] = []) throws -> Command {
      try Command.run(
        ["simulate", "--model", "mixtral-8x7b", "--plan", "../plans/\(plan)"] + more,
        in: scratch.file("here"))
    }
    for override in [
      "plan.expert-load={counts: load.jsonl}", "plan.expert-load.counts=load.jsonl",
    ] {
      let result = try run("plain.yaml", ["--set", override])
      #expect(result.status == 0, "\(result.errors)")
    }
    let missing = try run("counted.yaml")
    #expect(missing.status == 1 && missing.errors.contains("plans/load.jsonl"), "\(missing.errors)")
    _ = try scratch.write(counts, "plans/load.jsonl")
    #expect(try run("counted.yaml").status == 0)
  }
}

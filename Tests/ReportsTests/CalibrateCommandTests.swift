import Foundation
import TestSupport
import Testing

/// `sluice calibrate`: every fit that it names prints, and so does the probe.
@Suite struct CalibrateCommandTests {
  /// The names in the message about one that is unknown.
  private static let names: [String] = {
    let said = (try? Command.run("calibrate --shipped nothing").errors) ?? ""
    let list = said.split(separator: "expected one of ").last ?? ""
    return list.split(separator: ",").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
  }()

  @Test func namesAreListed() {
    #expect(Self.names.count > 10)
    for name in ["h100", "h100-products", "h100-attention", "h100-power"] {
      #expect(Self.names.contains(name), "\(Self.names)")
    }
  }

  /// A page within a hundred columns, and JSON with constants that are numbers.
  @Test(arguments: names.filter { !$0.hasPrefix("b200") && $0 != "a100-products" })
  func everyFitPrints(name: String) throws {
    let page = try Command.run("calibrate --shipped \(name)")
    #expect(page.status == 0 && page.output.contains("fitted again"), "\(page.errors)")
    for line in page.output.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
    let value = try CommandTests.json("calibrate --shipped \(name) --json")
    let constants = try #require(value["constants"] as? [[String: Any]])
    #expect(!constants.isEmpty)
    for constant in constants { #expect(constant["shipped"] is Double, "\(constant)") }
  }

  /// Python compiles what is printed, where there is one.
  @Test func theProbeIsPython() throws {
    let script = try Command.run("calibrate --probe")
    #expect(script.status == 0 && script.output.hasPrefix("#!/usr/bin/env python3\n"))
    let compiled = try Command.shell(
      "command -v python3 >/dev/null || exit 0; $SLUICE calibrate --probe "
        + "| python3 -c 'import sys; compile(sys.stdin.read(), \"probe\", \"exec\")'")
    #expect(compiled.status == 0, "\(compiled.errors)")
  }

  @Test(arguments: [
    ("calibrate", "expected either files, or --here, or --shipped, or --probe"),
    (
      "calibrate --probe --shipped h100",
      "expected either files, or --here, or --shipped, or --probe"
    ),
    ("calibrate --probe --json", "--json has nothing to act on"),
    ("calibrate --shipped h100 --ranks 8", "--ranks has nothing to act on without files"),
    ("calibrate nothing.txt --overwrite", "--overwrite has nothing to act on without --output"),
    ("calibrate nothing.txt", "nothing.txt: cannot be opened"),
    ("calibrate nothing.txt --base h101-2048", "did you mean h100-2048?"),
  ])
  func faultsAreSaid(line: String, rule: String) throws {
    let command = try Command.run(line)
    #expect(command.status == 1 && command.output.isEmpty && command.errors.contains(rule))
  }

  /// A log of all-reduces, made up: 8 ranks of a node.
  private static let log: String = {
    let rows = (10...28).map { exponent -> String in
      let bytes = 1 << exponent
      let time = String(format: "%.2f", 30 + Double(bytes) / 250e3)
      let rate = String(format: "%.2f", Double(bytes) / (Double(time) ?? 1) / 1e3)
      let bus = String(format: "%.2f", Double(bytes) / (Double(time) ?? 1) / 1e3 * 1.75)
      return
        "\(bytes) \(bytes / 4) float sum -1 \(time) \(rate) \(bus) 0 \(time) \(rate) \(bus) 0\n"
    }
    return "# Collective test starting: all_reduce_perf\n"
      + (0..<8).map { "#  Rank  \($0) Group  0 Pid 1 on a device  \($0) [0x0f] H100\n" }.joined()
      + rows.joined()
  }()

  /// The written cluster is read by other commands, nothing is replaced unasked, and the picture has every point.
  @Test func filesBecomeACluster() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(Self.log, to: "nccl.txt")
    let out = folder.file("mine.yaml")
    let picture = folder.file("fit.svg")
    let command = try Command.run(
      ["calibrate", path, "-o", out, "--base", "h200-256", "--picture", picture])
    #expect(command.status == 0, "\(command.errors)")
    #expect(command.output.contains("predicted") && command.output.contains("extrapolated"))
    for line in command.output.split(separator: "\n") where !line.contains(folder.path) {
      #expect(line.count <= 110, "\(line)")
    }
    let cluster = try Command.run(["cluster", out])
    #expect(cluster.status == 0, "\(cluster.errors)")
    let text = String(decoding: try contents(of: out), as: UTF8.self)
    #expect(text.contains("fitted to 10 of 19 rows of"))
    let cost = try Command.run([
      "cost", "all-reduce", "--cluster", out, "--bytes", "256MiB", "--ranks", "8",
    ])
    #expect(cost.status == 0, "\(cost.errors)")
    let again = try Command.run(["calibrate", path, "-o", out])
    #expect(again.status == 1 && again.errors.contains("--overwrite replaces it"))
    let svg = String(decoding: try contents(of: picture), as: UTF8.self)
    #expect(svg.ranges(of: "<circle").count == 20 && svg.contains("<polyline"))
    let over = try Command.run(["calibrate", path, "-o", path, "--overwrite"])
    #expect(over.status == 1)
  }

  /// The page of files has every part with its rows, its constants, and the figures behind them.
  @Test func filesHaveAReport() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(Self.log, to: "nccl.txt")
    let page = folder.file("fit.html")
    let command = try Command.run(["calibrate", path, "--report", page])
    #expect(command.status == 0, "\(command.errors)")
    let html = String(decoding: try contents(of: page), as: UTF8.self)
    #expect(html.contains("collectives inside a node") && html.contains("nccl.txt"))
    #expect(html.contains("node.collectives.") && html.contains("fitted to 10 of 19 rows of"))
    // 19 rows, each with its line in the log.
    for line in 10...28 { #expect(html.contains("nccl.txt:\(line))"), "\(line)") }
    let over = try Command.run(["calibrate", path, "--report", path])
    #expect(over.status == 1 && over.errors.contains("is read or written by the same command"))
  }

  /// What no file asks for is refused, and nothing is written.
  @Test(arguments: ["--library fp8-2025-04", "--between nodes", "--through leaf"])
  func idleFacts(option: String) throws {
    let folder = try ScratchFolder()
    let path = try folder.write(Self.log, to: "nccl.txt")
    let out = folder.file("mine.yaml")
    let words = option.split(separator: " ").map(String.init)
    let command = try Command.run(["calibrate", path, "-o", out] + words)
    #expect(command.status == 1 && command.errors.contains("\(words[0]) has nothing to act on"))
    #expect(throws: (any Error).self) { _ = try contents(of: out) }
  }

  /// A table of two ranks, whose times follow from constants, as `--here --csv` writes it.
  private static let table: String = {
    var lines = [
      "# memory: 8589934592", "part,name,ranks,active,flops,bytes,weights,rows,seconds,rate",
    ]
    for bytes in [4096.0, 16_384, 65_536, 262_144] {
      let seconds = 1e-6 + bytes / 8e9
      for (ranks, active) in [(1, 1), (2, 1), (2, 2)] {
        lines.append(
          "kernel,copy,\(ranks),\(active),0,\(bytes),0,0,\(seconds),\(bytes / seconds * 1e-6)")
      }
      lines.append("message,node,2,2,0,\(bytes),0,0,\(seconds),\(bytes / seconds * 1e-6)")
    }
    return lines.joined(separator: "\r\n") + "\r\n"
  }()

  /// A cluster from a table, which says what it is of; ranks that nobody measured are refused, and nothing is
  /// written.
  @Test func whatWasNotMeasuredIsRefused() throws {
    let folder = try ScratchFolder()
    let table = try folder.write(Self.table, to: "here.csv")
    let out = folder.file("here.yaml")
    let refused = try Command.run([
      "calibrate", "--here", "--from", table, "--ranks", "4", "-o", out,
    ])
    #expect(refused.status == 1 && refused.errors.contains("has no kernels with 4 ranks"))
    #expect(throws: (any Error).self) { _ = try contents(of: out) }
    let written = try Command.run(["calibrate", "--here", "--from", table, "-o", out])
    #expect(written.status == 0, "\(written.errors)")
    let page = try Command.run(["cluster", out])
    #expect(page.output.contains("2 CPU ranks, 2 on a machine"), "\(page.output)")
    #expect(!page.output.contains("multiprocessors"))
  }

  /// Commands that are about devices refuse a machine's ranks in a line.
  @Test(arguments: [
    "search --model llama-3.1-8b --global-batch 8 --sequence 1024",
    "cost matmul --m 64 --n 64 --k 64", "cost all-reduce --bytes 1MiB --ranks 2",
    "simulate --decode --model llama-3.1-8b --plan PLAN --batch 1 --context 9",
    "simulate --model llama-3.1-8b --plan PLAN --export-chakra nowhere",
    "simulate --model llama-3.1-8b --plan PLAN --set plan.execution=eager",
    "simulate --model gpt-oss-20b --plan PLAN",
    "simulate --model llama-3.1-8b --plan PLAN --set plan.expert-tensor-parallel=2",
    "overlap --model llama-3.1-8b --plan PLAN",
  ])
  func ranksOfAMachineAreNoDevices(line: String) throws {
    let folder = try ScratchFolder()
    let table = try folder.write(Self.table, to: "here.csv")
    let cluster = folder.file("here.yaml")
    #expect(try Command.run(["calibrate", "--here", "--from", table, "-o", cluster]).status == 0)
    let plan = try folder.write(
      "data-parallel: 2\nglobal-batch: 2\nsequence-length: 64\nprecision: float32\n",
      to: "plan.yaml")
    let words = line.split(separator: " ").map { $0 == "PLAN" ? plan : String($0) }
    let command = try Command.run(words + ["--cluster", cluster])
    #expect(command.status == 1 && command.output.isEmpty, "\(line): \(command.output)")
    #expect(
      command.errors.contains("CPU ranks") || command.errors.contains("expert-tensor-parallel"),
      "\(line): \(command.errors)")
    #expect(command.errors.split(separator: "\n").count == 1, "\(line): \(command.errors)")
  }

  /// The memory of a GPU is no rank's, and a plan's page counts ranks.
  @Test func pagesOfRanks() throws {
    let folder = try ScratchFolder()
    let table = try folder.write(Self.table, to: "here.csv")
    let cluster = folder.file("here.yaml")
    #expect(try Command.run(["calibrate", "--here", "--from", table, "-o", cluster]).status == 0)
    let plan = try folder.write(
      "data-parallel: 1\nglobal-batch: 1\nsequence-length: 64\n", to: "plan.yaml")
    let page = try Command.run(["plan", plan, "--model", "gpt2", "--cluster", cluster])
    #expect(page.output.contains("1 of the 2 CPU ranks of here"), "\(page.output)\(page.errors)")
    let command = try Command.run(["memory", "llama-3.1-8b", "--device", cluster])
    #expect(command.status == 1 && command.errors.contains("CPU ranks"), "\(command.output)")
  }

  /// Collectives take no kernels of products: neither those of a data sheet nor those of a file on top of one.
  @Test func collectivesOfDataSheets() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(Self.log, to: "rccl.txt")
    let out = folder.file("mine.yaml")
    let command = try Command.run(["calibrate", path, "-o", out, "--base", "mi300x-64"])
    #expect(command.status == 0, "\(command.errors)")
    for cluster in [out, "mi300x-64", "l40s-64"] {
      let cost = try Command.run([
        "cost", "all-reduce", "--bytes", "1MiB", "--ranks", "8", "--cluster", cluster,
      ])
      #expect(cost.status == 0, "\(cost.errors)")
      // Whose constants they are is said, as a whole or with a change.
      #expect(cost.output.contains("constants borrowed from"), "\(cost.output)")
    }
  }

  /// Products alone make no device of a data sheet: what is missing is named, and nothing is written.
  @Test func productsOfDataSheets() throws {
    let folder = try ScratchFolder()
    let rows = [512, 1024, 2048, 4096, 8192].map { "\($0),4096,4096,bf16,\($0 / 4)\n" }.joined()
    let path = try folder.write("m,n,k,dtype,time_us\n" + rows, to: "gemm.csv")
    let out = folder.file("mine.yaml")
    let command = try Command.run(["calibrate", path, "-o", out, "--base", "l40s-64"])
    #expect(command.status == 1 && command.output.isEmpty)
    for word in ["no file measures attention or streaming kernels", "--probe", "--borrow-kernels"] {
      #expect(command.errors.contains(word), "\(command.errors)")
    }
    #expect(try Command.run(["cluster", out]).status == 1)
  }

  @Test(arguments: [
    ("--collective all-redcue", "did you mean all-reduce?"),
    ("--between node", "did you mean nodes?"),
  ])
  func choicesAreNamed(option: String, rule: String) throws {
    let command = try Command.run("calibrate nothing.txt \(option)")
    #expect(command.status != 0 && command.errors.contains(rule), "\(command.errors)")
  }

  /// Times of a data sheet's device are refused until kernels are borrowed, which every page then says.
  @Test func dataSheets() throws {
    let refused = try Command.run("cost matmul --cluster l40s-64 --m 4096 --n 4096 --k 4096")
    #expect(refused.status == 1 && refused.errors.contains("--borrow-kernels"))
    let borrowed = try Command.run(
      "cost matmul --cluster l40s-64 --borrow-kernels a100-pcie --m 4096 --n 4096 --k 4096")
    #expect(borrowed.status == 0, "\(borrowed.errors)")
    let words = borrowed.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(words.contains("constants borrowed from a100-pcie"))
    #expect(words.contains("at the peaks and the memory of L40S"))
  }
}

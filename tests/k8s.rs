//! Tests of the Kubernetes manifests and the Dockerfile without a cluster: they are rendered by `kubectl`, validated
//! against the schemas of Kubernetes, linted, and compared with each other and with the binary.
//!
//! `tests/run tools` installs the tools. If a tool is missing, its tests print that they are skipped and pass, but fail
//! if `CI=true`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::{Value, json};

/// The oldest supported version of Kubernetes, and the newest that the validator knows.
const KUBERNETES: [&str; 2] = ["1.31", "1.37"];
/// The paths that the service serves.
const PATHS: [&str; 3] = ["/livez", "/readyz", "/metrics"];
/// After this number of seconds Kafka aborts the open transaction of a pod (`transaction.timeout.ms`).
const TRANSACTION_TIMEOUT_S: u64 = 10;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn schemas_accept_every_object() {
    let Some(base) = Base::render() else { return };
    for version in KUBERNETES {
        let validated = run(Command::new(tool("kubernetes-validate").unwrap())
            .args(["--strict", "-k", version])
            .arg(base.file.path()));
        assert_eq!(text(&validated).matches(" passed ").count(), base.objects.len());
    }
}

#[test]
fn hadolint_accepts_the_image_file() {
    let Some(hadolint) = tool("hadolint") else {
        return;
    };
    run(Command::new(hadolint).args(["--failure-threshold", "style", "Dockerfile"]));
}

#[test]
fn image_and_manifests_agree() {
    let Some(base) = Base::render() else { return };
    let dockerfile = std::fs::read_to_string(Path::new(ROOT).join("Dockerfile")).unwrap();
    let said = |keyword: &str| {
        let line = dockerfile.lines().rfind(|line| line.starts_with(keyword));
        line.unwrap_or_else(|| panic!("no {keyword} in the Dockerfile"))[keyword.len()..].trim().to_owned()
    };
    let security = &base.pod()["securityContext"];
    assert_eq!(said("USER"), format!("{}:{}", security["runAsUser"], security["runAsGroup"]));
    assert_eq!(said("ENTRYPOINT"), r#"["upswell"]"#);
    // Snapshots are in the working folder unless the configuration says otherwise.
    let mounts = array(&base.container()["volumeMounts"]);
    let snapshots = mounts.iter().find(|mount| mount["name"] == "snapshots").expect("a volume for snapshots");
    assert_eq!(said("WORKDIR"), snapshots["mountPath"].as_str().unwrap());
    let command: Vec<String> = serde_json::from_str(&said("CMD")).unwrap();
    let args: Vec<String> = serde_json::from_value(base.container()["args"].clone()).unwrap();
    assert!(args.starts_with(&command), "{args:?} is not {command:?} with more");
    assert_eq!(said("EXPOSE"), base.port("http").to_string());
    assert_eq!(base.container()["image"], concat!("upswell:", env!("CARGO_PKG_VERSION")));
}

#[test]
fn names_that_are_referred_to_exist() {
    let Some(base) = Base::render() else { return };
    let pod = base.pod();
    base.named("ServiceAccount", &pod["serviceAccountName"]);
    let service = base.named("Service", &base.only("StatefulSet")["spec"]["serviceName"]);
    assert_eq!(service["spec"]["clusterIP"], "None", "pods get names of their own from a headless service only");
    for port in array(&service["spec"]["ports"]) {
        assert_eq!(json!(base.port(port["targetPort"].as_str().unwrap())), port["port"]);
    }
    let volumes: BTreeSet<_> = array(&pod["volumes"]).iter().map(|volume| volume["name"].as_str()).collect();
    let mounts: BTreeSet<_> =
        array(&base.container()["volumeMounts"]).iter().map(|mount| mount["name"].as_str()).collect();
    assert_eq!(volumes, mounts);
    assert_eq!(base.mounted().keys().collect::<Vec<_>>(), ["rules.yaml", "upswell.yaml"]);
}

#[test]
fn probes_and_scrapes_ask_paths_that_are_served() {
    let Some(base) = Base::render() else { return };
    for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let asked = &base.container()[probe]["httpGet"];
        assert_eq!(asked["path"], path);
        base.port(asked["port"].as_str().unwrap());
    }
    let annotations = &base.only("StatefulSet")["spec"]["template"]["metadata"]["annotations"];
    assert!(PATHS.contains(&annotations["prometheus.io/path"].as_str().unwrap()));
    assert_eq!(annotations["prometheus.io/port"], base.port("http").to_string());
}

#[test]
fn selectors_find_the_pods_and_nothing_else() {
    let Some(base) = Base::render() else { return };
    let set = &base.only("StatefulSet")["spec"];
    let labels = set["template"]["metadata"]["labels"].as_object().unwrap();
    let mut selectors = vec![
        &set["selector"]["matchLabels"],
        &base.only("Service")["spec"]["selector"],
        &base.only("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ];
    selectors
        .extend(array(&base.pod()["topologySpreadConstraints"]).iter().map(|c| &c["labelSelector"]["matchLabels"]));
    for selector in selectors {
        let selector = selector.as_object().expect("an empty selector takes every pod of the namespace");
        assert!(!selector.is_empty());
        assert!(selector.iter().all(|(key, value)| labels.get(key) == Some(value)), "{selector:?}");
    }
}

#[test]
fn disruptions_leave_pods_and_time() {
    let Some(base) = Base::render() else { return };
    let replicas = base.only("StatefulSet")["spec"]["replicas"].as_u64().unwrap();
    let away = base.only("PodDisruptionBudget")["spec"]["maxUnavailable"].as_u64().unwrap();
    assert!((1..replicas).contains(&away), "{away} of {replicas} pods may go: a drain blocks, or takes all");
    let grace = base.pod()["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace > TRANSACTION_TIMEOUT_S, "{grace} s are not enough to finish a batch");
    assert!(base.container().get("lifecycle").is_none(), "a preStop hook eats of the grace period: add it up here");
}

/// The `restricted` pod security standard, and further restrictions.
#[test]
fn pods_are_restricted() {
    let Some(base) = Base::render() else { return };
    let pod = base.pod();
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_ne!(pod["securityContext"]["runAsUser"], 0);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    for host in ["hostNetwork", "hostPID", "hostIPC", "initContainers"] {
        assert!(pod.get(host).is_none(), "{host}");
    }
    let container = &base.container()["securityContext"];
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(container["capabilities"], json!({"drop": ["ALL"]}));
    assert_eq!(container["readOnlyRootFilesystem"], true);
    for owner in [pod, base.only("ServiceAccount")] {
        assert_eq!(owner["automountServiceAccountToken"], false);
    }
    for volume in array(&pod["volumes"]) {
        let is_needed =
            volume.get("projected").is_some() || volume["name"] == "snapshots" && volume["emptyDir"] == json!({});
        assert!(is_needed, "of all kinds of volume only `projected` is needed, and a folder for snapshots: {volume}");
    }
}

/// `upswell check` accepts the mounted files with the variables of a pod.
#[test]
fn binary_accepts_the_mounted_configuration() {
    let Some(base) = Base::render() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mount = base.container()["volumeMounts"][0]["mountPath"].as_str().unwrap();
    for (name, content) in base.mounted() {
        let moved = content.replace(mount, folder.path().to_str().unwrap());
        std::fs::write(folder.path().join(name), moved).unwrap();
    }
    let config = folder.path().join("upswell.yaml");
    let upswell = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upswell"));
        command.env_clear().envs(base.environment());
        command
    };
    run(upswell().arg("check").arg("--config").arg(&config));
    // `--help` comes last: every argument before it has been understood.
    let args: Vec<String> = serde_json::from_value(base.container()["args"].clone()).unwrap();
    run(upswell().args(args).arg("--help"));

    let config: Value = serde_saphyr::from_str(&base.mounted()["upswell.yaml"]).unwrap();
    let (_, port) = config["http"]["listen"].as_str().unwrap().rsplit_once(':').unwrap();
    assert_eq!(port, base.port("http").to_string());
    let resources = &base.container()["resources"];
    assert_eq!(resources["requests"]["cpu"], config["worker"]["threads"].to_string());
    assert_eq!(resources["requests"]["memory"], resources["limits"]["memory"]);
    assert_eq!(base.pod()["enableServiceLinks"], false, "service links add UPSWELL_* variables");
}

/// `k8s/ingest` is the base, and a StatefulSet of its own beside it with all that it needs.
#[test]
fn ingest_is_added_to_the_base() {
    let (Some(base), Some(whole)) = (Base::render(), Base::render_of("k8s/ingest", "upswell-ingest")) else { return };
    let validated = run(Command::new(tool("kubernetes-validate").unwrap())
        .args(["--strict", "-k", KUBERNETES[0]])
        .arg(whole.file.path()));
    assert_eq!(text(&validated).matches(" passed ").count(), whole.objects.len());
    // But for the name of the ConfigMap, which ends in a hash of its content, the base is what it is alone.
    let without_map = |object: &Value| object["kind"] != "ConfigMap" && object["kind"] != "StatefulSet";
    assert!(base.objects.iter().filter(|it| without_map(it)).all(|object| whole.objects.contains(object)));

    let (pod, container) = (whole.pod(), whole.container());
    whole.named("ServiceAccount", &pod["serviceAccountName"]);
    let set = &whole.only("StatefulSet")["spec"];
    let label = json!({"app.kubernetes.io/name": "upswell-ingest"});
    let service = whole.named("Service", &set["serviceName"]);
    let selectors =
        [&set["selector"]["matchLabels"], &service["spec"]["selector"], &set["template"]["metadata"]["labels"]];
    assert_eq!(selectors, [&label; 3]);
    let budget = &whole.only("PodDisruptionBudget")["spec"];
    assert_eq!((&budget["selector"]["matchLabels"], &budget["maxUnavailable"]), (&label, &json!(1)));
    assert!(set["replicas"].as_u64().unwrap() > 1);
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez");
    assert_eq!(whole.port(container["livenessProbe"]["httpGet"]["port"].as_str().unwrap()), base.port("http"));
    // What is safe for `run` is for `ingest`.
    for part in ["securityContext", "automountServiceAccountToken", "enableServiceLinks", "serviceAccountName"] {
        assert_eq!(pod[part], base.pod()[part], "{part}");
    }
    for part in ["securityContext", "image", "env"] {
        assert_eq!(container[part], base.container()[part], "{part}");
    }
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > TRANSACTION_TIMEOUT_S);

    let folder = tempfile::tempdir().unwrap();
    let mount = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    for (name, content) in whole.mounted() {
        let moved = content.replace(mount, folder.path().to_str().unwrap());
        std::fs::write(folder.path().join(name), moved).unwrap();
    }
    let upswell = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upswell"));
        command.env_clear().envs(whole.environment());
        command
    };
    run(upswell().arg("check").arg("--config").arg(folder.path().join("upswell.yaml")));
    let args: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
    assert_eq!(args[0], "ingest");
    run(upswell().args(args).arg("--help"));
    let config: Value = serde_saphyr::from_str(&whole.mounted()["upswell.yaml"]).unwrap();
    assert!(!array(&config["ingest"]["sources"]).is_empty(), "`ingest` ends if it has no topic");
}

/// What `kubectl kustomize` renders, as a file and as objects, and the name of the part that is looked at.
struct Base {
    file: tempfile::NamedTempFile,
    objects: Vec<Value>,
    name: &'static str,
}

impl Base {
    /// `None` where there is no kubectl.
    fn render() -> Option<Self> {
        Self::render_of("k8s/base", "upswell")
    }

    fn render_of(folder: &str, name: &'static str) -> Option<Self> {
        let rendered = run(Command::new(tool("kubectl")?).args(["kustomize", folder]));
        let warnings = String::from_utf8_lossy(&rendered.stderr);
        assert!(warnings.is_empty(), "kustomize warns: {warnings}");
        let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
        std::fs::write(file.path(), &rendered.stdout).unwrap();
        let objects = serde_saphyr::from_multiple(&text(&rendered)).unwrap();
        Some(Self { file, objects, name })
    }

    /// The one object of this kind with the name.
    fn only(&self, kind: &str) -> &Value {
        let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == self.name;
        let mut found = self.objects.iter().filter(is_it);
        let object = found.next().unwrap_or_else(|| panic!("no {kind}"));
        assert!(found.next().is_none(), "more than one {kind}");
        object
    }

    fn named(&self, kind: &str, name: &Value) -> &Value {
        let found = self.objects.iter().find(|object| object["kind"] == kind && &object["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} is named {name}"))
    }

    fn pod(&self) -> &Value {
        &self.only("StatefulSet")["spec"]["template"]["spec"]
    }

    fn container(&self) -> &Value {
        let containers = array(&self.pod()["containers"]);
        assert_eq!(containers.len(), 1);
        &containers[0]
    }

    /// The number of the container's port with this name.
    fn port(&self, name: &str) -> u64 {
        let ports = array(&self.container()["ports"]);
        let port = ports.iter().find(|port| port["name"] == name);
        port.unwrap_or_else(|| panic!("the container has no port {name}"))["containerPort"].as_u64().unwrap()
    }

    /// The files of the configuration volume, from the ConfigMaps that it names.
    fn mounted(&self) -> BTreeMap<String, String> {
        let sources = array(&self.pod()["volumes"][0]["projected"]["sources"]);
        let maps = sources.iter().map(|source| self.named("ConfigMap", &source["configMap"]["name"]));
        let files = maps.map(|map| serde_json::from_value::<BTreeMap<_, _>>(map["data"].clone()).unwrap());
        files.flatten().collect()
    }

    /// The variables that the first pod would have.
    fn environment(&self) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        for variable in array(&self.container()["env"]) {
            let value = match variable.pointer("/valueFrom/fieldRef/fieldPath").and_then(Value::as_str) {
                Some("metadata.name") => "upswell-0".to_owned(),
                Some("metadata.namespace") => "default".to_owned(),
                Some(other) => panic!("which value has {other}?"),
                None => expand(variable["value"].as_str().unwrap(), &variables),
            };
            variables.insert(variable["name"].as_str().unwrap().to_owned(), value);
        }
        variables
    }
}

/// Replaces `$(NAME)` by the variables defined before, as the kubelet does.
fn expand(value: &str, variables: &BTreeMap<String, String>) -> String {
    let expanded =
        variables.iter().fold(value.to_owned(), |value, (name, known)| value.replace(&format!("$({name})"), known));
    assert!(!expanded.contains("$("), "{expanded} refers to a variable that is not defined before it");
    expanded
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Runs a command at the root of the project; it must succeed.
fn run(command: &mut Command) -> Output {
    let output = command.current_dir(ROOT).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output),
        String::from_utf8_lossy(&output.stderr),
    );
    output
}

/// The path of a pinned tool, or `None` after printing that it is missing.
fn tool(name: &str) -> Option<PathBuf> {
    // The folder that holds Cargo's `tmp` is the target directory.
    static TARGET: LazyLock<&Path> = LazyLock::new(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let install = Command::new("bash")
            .args(["tests/run", "tools"])
            .current_dir(ROOT)
            .env("CARGO_TARGET_DIR", target)
            .status();
        eprintln!("tests/run tools: {install:?}");
        target
    });
    let tool = TARGET.join("tools/bin").join(name);
    if tool.exists() {
        return Some(tool);
    }
    eprintln!("!!! CANNOT RUN: {name} is missing; the manifests stay unchecked");
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{name} is missing");
    None
}

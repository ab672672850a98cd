"""Options are parsed once; what cannot be carried out is refused with the remedy."""

import json
import re
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from safetensors.numpy import save_file

from gliomorph.config import settings as module
from gliomorph.config.cluster import OPEN_GRAPHS
from gliomorph.config.option import SettingsError
from gliomorph.config.processing import default_method
from gliomorph.config.resources import SLURM_CPUS
from gliomorph.config.settings import LEVELS, Settings
from gliomorph.interfaces.derivatives.names import method_label
from gliomorph.interfaces.methods import METHODS, NEEDED, SPEEDS
from gliomorph.interfaces.networks import registration as weights
from gliomorph.interfaces.networks.registration import shipped_network
from gliomorph.models.regions import MODALITIES


@pytest.fixture
def folders(tmp_path):
    """Options that have to be given, and where a run may write."""
    for name in ("bids", "masks"):
        (tmp_path / name).mkdir()
    return {"bids_dir": tmp_path / "bids", "output_dir": tmp_path / "out", "work_dir": tmp_path / "work"}


@pytest.fixture
def make(folders):
    """Settings with a method that needs no network, and what a test adds."""
    return lambda **options: Settings.of(**folders | {"registration": ("affine",)} | options)


def test_defaults_are_usable(folders, tmp_path):
    settings = Settings.of(**folders)
    assert settings.levels == ("participant",)
    assert settings.resources.nprocs >= 1
    assert settings.resources.mem_gb > 0
    assert settings.bids_dir == tmp_path / "bids"


@pytest.mark.parametrize("modality", MODALITIES)
def test_default_registration_is_the_shipped_network_where_it_reads_the_modality(folders, modality):
    settings = Settings.of(**folders, modality=modality)
    if modality == "T1w":
        assert settings.processing.registration == ("metamorph-r",)
        assert settings.processing.networks == {"metamorph-r": shipped_network("metamorph-r")}
        assert settings.processing.refinement("metamorph-r") == SPEEDS["default"][-1]
    else:
        assert settings.processing.registration == ("metamorphosis",)
        assert settings.processing.networks == {}


def test_all_that_is_wrong_with_tests_is_told(make):
    with pytest.raises(SettingsError) as raised:
        make(tests=("sex", "glm:"), permutations=3, correction="fwer", min_lesions=0, random_seed=2)
    text = str(raised.value)
    for part in (
        "--min-lesions: at least 1",
        "got 'sex'; requires glm:COLUMN",
        "3 permutations give no p below",
    ):
        assert part in text
    with pytest.raises(SettingsError, match="--tests: tfce is corrected by permutations"):
        make(tests=("glm:age",), tfce=True, correction="fdr")


def test_covariates_and_regions_that_cannot_be_are_told(make):
    with pytest.raises(
        SettingsError,
        match=r"--covariates: glm and cox take covariates, --tests asks for adiffi, logrank only: add",
    ):
        make(tests=("adiffi:sex", "logrank:t"), covariates=("age",))
    with pytest.raises(SettingsError, match="--tests: covariates: a column counts once, got 'age'"):
        make(tests=("glm:score",), covariates=("age", "age"))
    options = make(tests=("adiffi:sex", "glm:score"), covariates=("age",)).test_options
    assert options.covariates == ("age",)
    with pytest.raises(SettingsError, match="--test-regions: unknown ot; choose from WT, TC, ET"):
        make(tests=("glm:score",), test_regions=("WT", "ot"))
    with pytest.raises(SettingsError, match="--test-regions: none, or one twice"):
        make(tests=("glm:score",), test_regions=("ET", "ET"))


@pytest.mark.parametrize(
    ("cell", "lesions", "expected"), [(None, 5, (5, 5)), (1, 2, (1, 2)), (9, 5, (9, 9)), (None, 1, (5, 5))]
)
def test_a_tested_voxel_has_as_many_lesions_as_the_smallest_cell(make, cell, lesions, expected):
    options = make(tests=("glm:age",), min_cell=cell, min_lesions=lesions, random_seed=4).test_options
    assert (options.min_cell, options.min_lesions, options.seed) == (*expected, 4)


def test_defaults_of_tests_are_those_of_the_stage(make):
    options = make(tests=("glm:age",), nprocs=1).test_options
    assert options == type(options)()


def test_modalities_that_are_registered_are_the_primary_and_others_in_one_order(make):
    several = {
        "registration": ("metamorphosis", "metamorph-r"),
        "registration_modalities": ("FLAIR", "T1w", "T2w"),
    }
    assert make(**several).further_modalities == ("T2w", "FLAIR")
    assert make(**several | {"modality": "FLAIR"}).further_modalities == ("T1w", "T2w")
    assert make().further_modalities == make(registration_modalities=("T1w",)).further_modalities == ()


def test_any_modality_may_be_the_primary_one_of_auto(make):
    assert default_method("auto") == default_method("FLAIR") == "metamorphosis"
    assert make(modality="auto").further_modalities == ()
    asked = {"registration": ("metamorphosis",), "registration_modalities": ("FLAIR", "T1w")}
    assert make(modality="auto", **asked).further_modalities == ("T1w", "FLAIR")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"registration_modalities": ("T2w",)},
            r"the primary image, T1w \(--modality\), has to be among them",
        ),
        (
            {"registration": ("metamorphosis", "syn-cfm")},
            r"T1w T2w: syn-cfm of --registration compare the primary image alone; those that .* are .*metamorphosis",
        ),
        (
            {"registration": ("metamorph-r",), "refine": 0},
            "networks of metamorph-r read the primary image alone",
        ),
        ({"registration_modalities": ("T1w", "T1w")}, "--registration-modalities: none, or one twice"),
    ],
)
def test_modalities_that_cannot_be_registered_together_are_refused(make, options, said):
    defaults = {"registration": ("metamorphosis",), "registration_modalities": ("T1w", "T2w")}
    with pytest.raises(SettingsError, match=said):
        make(**defaults | options)


def test_settings_are_frozen(make):
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        make().processing.random_seed = 3


def test_prefixes_of_labels_are_optional(make):
    settings = make(participants=["sub-01", "02"], sessions=["ses-pre", "post"])
    assert settings.inputs.participants == ("01", "02")
    assert settings.inputs.sessions == ("pre", "post")


def test_paths_are_made_absolute(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = make(bids_dir="bids", output_dir=Path("a/../b"), template_dirs=["~/masks"])
    assert settings.bids_dir == tmp_path / "bids"
    assert settings.output_dir == tmp_path / "b"
    assert settings.processing.template_dirs == (tmp_path / "masks",)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"levels": ("subject",)}, "analysis level: unknown subject; choose from participant, group"),
        ({"levels": ()}, "analysis level: none, or one twice"),
        ({"levels": ("group", "group")}, "analysis level: none, or one twice"),
        (
            {"registration": ("syn", "magic")},
            "--registration: unknown magic; choose from rigid, rigid-cfm, affine",
        ),
        ({"registration": ()}, "--registration: none, or one twice"),
        ({"registration": ("syn", "syn")}, "--registration: none, or one twice"),
        ({"nprocs": 0}, "--nprocs: at least 1 is required, got 0"),
        ({"omp_nthreads": -1}, "--omp-nthreads: at least 1 is required, got -1"),
        ({"mem_gb": 0}, "--mem: a positive number of GB is required, got 0"),
        ({"mem_gb": -2.5}, "--mem: a positive number of GB is required, got -2.5"),
        ({"min_cell": 0}, "--min-cell: at least 1 participant is required, got 0"),
        ({"min_coverage": 1.5}, "--min-coverage: a share, 0 to 1, is required, got 1.5"),
        ({"min_coverage": float("nan")}, "--min-coverage: a share, 0 to 1, is required, got nan"),
        ({"strata": ("age:60,40",)}, r"--strata requires increasing numbers after 'age':, got '60,40'"),
        ({"strata": ("sex", "sex:1")}, "--strata takes a column once, got 'sex' more than once"),
        ({"random_seed": -1}, "--random-seed: 0 to 2147483647 is required, got -1"),
        ({"random_seed": 2**31}, "--random-seed: 0 to 2147483647 is required, got 2147483648"),
        ({"derivatives": {"my-masks": Path("/")}}, r"-d my-masks=…: .*must be alphanumeric"),
        ({"derivatives": {"masks": Path("/no/where")}}, "-d masks=/no/where: not a folder .*mounted"),
        ({"template_dirs": ("/no/where",)}, "--template-dir /no/where: not a folder"),
        ({"weights": "/no/where.safetensors"}, r"--weights /no/where\.safetensors: no such file"),
        (
            {"registration_weights": ["/no/where.safetensors"]},
            r"--registration-weights /no/where\.safetensors: no such file",
        ),
        ({"bids_dir": "/no/where"}, "bids_dir /no/where is not a folder .*mounted, with -B or -v"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(make, options, said):
    with pytest.raises(SettingsError, match=said):
        make(**options)


@pytest.mark.parametrize(("field", "value"), [("modality", "PET"), ("resolution", 5), ("resolution", 0)])
def test_value_outside_the_choices_is_refused(make, field, value):
    with pytest.raises(ValueError, match=f"'{field}' must be in"):
        make(**{field: value})


@pytest.mark.parametrize(
    ("field", "place", "said"),
    [
        ("output_dir", "bids", "must be neither bids_dir nor above it"),
        ("output_dir", ".", "must be neither bids_dir nor above it"),
        ("work_dir", "bids", "lies inside bids_dir: give another with -w"),
        ("work_dir", "bids/derivatives/work", "lies inside bids_dir: give another with -w"),
        ("work_dir", "out", "must not be output_dir itself: give another with -w"),
    ],
)
def test_folders_in_each_others_way_are_refused(make, tmp_path, field, place, said):
    with pytest.raises(SettingsError, match=said):
        make(**{field: tmp_path / place})


def test_work_directory_that_follows_from_an_output_folder_in_the_input_is_refused(folders, tmp_path):
    given = {"bids_dir": folders["bids_dir"], "output_dir": tmp_path / "bids" / "derivatives" / "gliomorph"}
    with pytest.raises(SettingsError, match="lies inside bids_dir"):
        Settings.of(**given, registration=("affine",))


def test_link_to_the_input_is_seen_through(make, tmp_path):
    (tmp_path / "alias").symlink_to(tmp_path / "bids")
    with pytest.raises(SettingsError, match="must be neither bids_dir nor above it"):
        make(output_dir=tmp_path / "alias")


@pytest.mark.parametrize("place", ["bids/derivatives/gliomorph", "elsewhere"])
def test_output_may_lie_in_derivatives_of_the_input(make, tmp_path, place):
    assert make(output_dir=tmp_path / place).output_dir == tmp_path / place


def test_seed_may_be_the_largest(make):
    assert make(random_seed=2**31 - 1).processing.random_seed == 2**31 - 1


@pytest.mark.parametrize(
    ("nprocs", "scans", "given", "threads"),
    [(8, 1, None, 8), (32, 1, None, 8), (8, 4, None, 2), (8, 100, None, 1), (8, 0, None, 8), (8, 4, 3, 3)],
)
def test_threads_share_the_cpus_among_scans(make, nprocs, scans, given, threads):
    assert make(nprocs=nprocs, omp_nthreads=given).resources.threads(scans) == threads


@pytest.mark.parametrize(
    ("nprocs", "mem_gb", "scans", "processes"),
    [(8, 1000, 4, 4), (8, 1000, 8, 8), (8, 8.5, 8, 2), (8, 0.1, 8, 1), (1, 1000, 8, 1)],
)
def test_processes_stay_within_cpus_and_memory(make, monkeypatch, nprocs, mem_gb, scans, processes):
    monkeypatch.setattr(module, "process_memory_gb", lambda resolution, methods, further: 4.0)
    settings = make(nprocs=nprocs, mem_gb=mem_gb, resolution=1)
    assert settings.resources.processes(scans) == processes
    assert processes * settings.resources.threads(scans) <= max(nprocs, 1)


@pytest.mark.parametrize("method", METHODS)
def test_label_of_a_method_is_alphanumeric(method):
    assert method_label(method).isalnum()
    assert len({method_label(m) for m in METHODS}) == len(METHODS)


@pytest.mark.parametrize(
    ("given", "segment", "register", "needed"),
    [
        ("auto", "auto", "auto", False),
        (["none"], "none", "none", False),
        (["all"], "all", "all", True),
        (["segment"], "all", "none", True),
        (["register", "segment"], "all", "all", True),
    ],
)
def test_gpu_is_for_all_stages_or_for_some(make, given, segment, register, needed):
    settings = make(gpu=given)
    assert (settings.resources.gpu_of("segment"), settings.resources.gpu_of("register")) == (
        segment,
        register,
    )
    assert settings.resources.needs_gpu is needed


@pytest.mark.parametrize("given", ["yes", [], ["auto", "segment"], ["n4"], ["all", "none"]])
def test_other_words_for_the_gpu_are_refused(make, given):
    with pytest.raises(
        SettingsError, match=r"--gpu .*: one of auto, all, none, or one or more of the stages segment"
    ):
        make(gpu=given)


def test_a_gpu_has_one_slot_at_least(make):
    with pytest.raises(SettingsError, match="--gpu-slots: at least 1 is required, got 0"):
        make(gpu_slots=0)


def test_both_levels_in_one_call(make):
    assert make(levels=LEVELS).levels == ("participant", "group")


@pytest.fixture
def network(tmp_path):
    """Writes a file that says which network it holds."""

    def write(name, **header):
        path = tmp_path / f"{name}.safetensors"
        text = json.dumps({"method": name, "masking": "local", "dimension": 3, "modalities": 1} | header)
        save_file({}, path, metadata={"network": text})
        return path

    return write


@pytest.fixture
def networks(network):
    """By learned method, the file that it takes."""
    return {name: network(name, **attrs.asdict(needed)) for name, needed in NEEDED.items()}


def test_methods_that_learn_are_known():
    assert set(NEEDED) < set(METHODS)


def test_each_learned_method_has_its_file(make, networks):
    settings = make(registration=METHODS, registration_weights=reversed(networks.values()))
    assert settings.processing.networks == networks
    assert make(registration=("syn",)).processing.networks == {}


@pytest.fixture
def unshipped(tmp_path, monkeypatch):
    """A folder, empty, in place of that of the networks that come with gliomorph."""
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "shipped")
    (tmp_path / "shipped").mkdir()
    return tmp_path / "shipped"


def test_learned_method_takes_the_given_file_else_the_shipped_one(make, networks, unshipped):
    shipped = {}
    for method in ("metamorph-g", "metamorph-r"):
        shipped[method] = unshipped / f"{method}.safetensors"
        shipped[method].write_bytes(networks[method].read_bytes())
    both = {"registration": ("metamorph-g", "syn", "metamorph-r")}
    assert make(**both).processing.networks == shipped
    given = networks["metamorph-r"]
    assert make(**both, registration_weights=[given]).processing.networks == shipped | {"metamorph-r": given}


def test_default_without_weights_says_what_to_do(folders, unshipped):
    said = (
        r"^--registration-weights: metamorph-r takes one file .* and none comes with gliomorph; name it with "
        r"--registration-weights .*, train one with gliomorph-train, or .* --registration metamorphosis$"
    )
    with pytest.raises(SettingsError, match=said):
        Settings.of(**folders)


@pytest.mark.parametrize("method", NEEDED)
def test_learned_method_without_weights_is_refused(make, networks, unshipped, method):
    held = r"0 of those given fit \(no file was given\), and none comes with gliomorph; name it with --registration-w"
    with pytest.raises(SettingsError, match=rf"^--registration-weights: {method} takes one file .*{held}"):
        make(registration=("syn", method))
    others = [path for name, path in networks.items() if name != method]
    with pytest.raises(SettingsError, match=rf"{method} takes one file .*: 0 of those given fit \(\S+ holds"):
        make(registration=("syn", method), registration_weights=others)


def test_two_files_for_one_method_are_refused(make, network):
    files = [network("metamorph-r"), network("other", method="metamorph-r")]
    with pytest.raises(SettingsError, match=r"metamorph-r takes one file .*: 2 of those given fit"):
        make(registration=("metamorph-r",), registration_weights=files)


def test_file_that_no_method_takes_is_refused(make, network, networks):
    with pytest.raises(
        SettingsError, match=r"flat\.safetensors .*dimension=2.*: no requested method takes it"
    ):
        make(
            registration=("metamorph-r",),
            registration_weights=[network("flat", method="metamorph-r", dimension=2)],
        )
    said = r"metamorph-g\.safetensors \(method='metamorph-g', .*\): no requested method takes it; "
    with pytest.raises(
        SettingsError, match=rf"--registration-weights: {said}--registration asks for metamorph-r"
    ):
        make(
            registration=("metamorph-r",),
            registration_weights=[networks["metamorph-r"], networks["metamorph-g"]],
        )


@pytest.mark.parametrize("registration", [("affine",), ("metamorph-r",)])
def test_file_that_holds_no_network_is_refused(make, tmp_path, registration):
    (tmp_path / "model.pt").write_text("pickle")
    with pytest.raises(SettingsError, match=r"--registration-weights: model\.pt: not a safetensors file"):
        make(registration=registration, registration_weights=[tmp_path / "model.pt"])


def test_learned_methods_alone_are_refined(make, networks):
    learned = {"registration": ("syn", "metamorph-r"), "registration_weights": [networks["metamorph-r"]]}
    assert make(**learned).processing.refinement("metamorph-r") == SPEEDS["default"][-1]
    settings = make(**learned, refine=7)
    assert [settings.processing.refinement(method) for method in settings.processing.registration] == [0, 7]
    alone = make(**learned, refine=0, speed="fast").processing
    assert (alone.refinement("metamorph-r"), alone.speed_of("metamorph-r")) == (0, "default")
    assert make(**learned, speed="fast").processing.refinement("metamorph-r") == SPEEDS["fast"][-1]
    with pytest.raises(SettingsError, match=r"--refine: 0 or more iterations are required, got -1"):
        make(**learned, refine=-1)
    said = (
        r"--refine 5: learned methods alone are refined, --registration asks for syn: add one of voxelmorph"
    )
    with pytest.raises(SettingsError, match=said):
        make(registration=("syn",), refine=5)


def test_headers_are_read_without_heavy_imports(make, network, tmp_path):
    """The command line has to set threads before torch is imported, and to answer at once."""
    text = (
        "import sys; from gliomorph.config.settings import Settings; "
        f"Settings.of(bids_dir={str(tmp_path / 'bids')!r}, output_dir={str(tmp_path / 'out')!r}, "
        f"registration=['metamorph-r'], registration_weights=[{str(network('metamorph-r'))!r}]); "
        "print({'torch', 'SimpleITK', 'nibabel', 'pydra'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr


# ---------------------------------------------------------------- workers


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"slurm_args": "--time=1"}, "--slurm-args: of --worker slurm, and the worker is pool"),
        ({"requeue": False}, "--no-requeue: of --worker slurm"),
        ({"worker": "dask", "requeue": False}, "--no-requeue: of --worker slurm, and the worker is dask"),
        ({"worker": "slurm", "dask_scheduler": "tcp://a:1"}, "--dask-scheduler: of --worker dask"),
        ({"worker": "slurm", "slurm_args": "-p 'gpu"}, '--slurm-args: "-p \'gpu": quotes do not match'),
        ({"worker": "slurm", "slurm_args": "gpu"}, "options of sbatch are required, which start with a dash"),
        ({"worker": "slurm", "slurm_args": "-t 1 --array=0-9"}, "--array=0-9: set by gliomorph itself"),
    ],
)
def test_options_of_a_worker_that_cannot_be_carried_out(make, options, text):
    with pytest.raises(SettingsError, match=re.escape(text)):
        make(**options)


def test_a_slurm_job_is_given_the_memory_of_its_processes(make):
    alone = make(worker="slurm")
    assert (alone.resources.nprocs, alone.resources.processes(1)) == (SLURM_CPUS, 1)
    several = make(worker="slurm", nprocs=4, omp_nthreads=1)
    assert several.resources.processes(1) == 4
    assert several.resources.mem_gb > 2 * alone.resources.mem_gb


def test_scans_at_once_are_few_here_and_as_many_as_there_are_elsewhere(make):
    few = {"nprocs": 2, "omp_nthreads": 1, "mem_gb": 100.0}
    here = make(**few)
    assert here.cluster.scans_at_once(1000, here.resources.processes(1000)) == 3
    assert here.cluster.scans_at_once(2, here.resources.processes(2)) == 2
    assert make(**few, worker="slurm").cluster.scans_at_once(1000, 2) == 1000
    elsewhere = make(**few, worker="dask", dask_scheduler="tcp://a:1")
    assert elsewhere.cluster.scans_at_once(1000, 2) == OPEN_GRAPHS

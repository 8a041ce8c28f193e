"""Famous datasets at the layout, and where it matters at the number of folders, of their downloads.

Run as ``python -m benchmarks.first_contact.famous FOLDER [NAME ...]``: each replica is laid out in FOLDER with drawn
pixels and judged as by somebody who types `segdata validate` on it: segments of every image against what was drawn,
splits, the number of categories, errors; then, of a copy of the same folder, after `segdata init`. The list was written
down before any of it was tried; none of it was in `benchmarks.first_contact.layouts`. Sources: S: several public
loaders or readmes show these paths; M: from memory of the download. What was in doubt was left out: attribute files,
readmes.
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

import segdata
from benchmarks.first_contact.famous_parts import (
    Layout,
    Replica,
    classes,
    coco,
    colours,
    numbers,
    pairs,
    run_lengths,
    table,
    then,
    white,
    white_16,
    white_rgb,
)
from benchmarks.first_contact.layouts import HEIGHT, PALETTE, WIDTH, judge


def _captions(r: Replica) -> None:
    """What COCO's archive of annotations also holds."""
    for split, first in (("train2017", 1), ("val2017", 101)):
        images = [{"id": first, "file_name": f"{first:012d}.jpg", "width": WIDTH, "height": HEIGHT}]
        caption = {"id": 7, "image_id": first, "caption": "A cat on a sofa."}
        r.text(f"annotations/captions_{split}.json", json.dumps({"images": images, "annotations": [caption]}))
        ring = [5, 8, 36, 8, 36, 28, 5, 28]
        person = {"id": 9, "image_id": first, "category_id": 1, "iscrowd": 0, "area": 620, "bbox": [5, 8, 31, 20]}
        person |= {"segmentation": [ring], "num_keypoints": 1, "keypoints": [7, 9, 2] + [0] * 48}
        names = [{"id": 1, "name": "person", "keypoints": ["nose"] * 17, "skeleton": []}]
        content = {"images": images, "annotations": [person], "categories": names}
        r.text(f"annotations/person_keypoints_{split}.json", json.dumps(content))


def dsb2018(r: Replica) -> None:
    """Nuclei: a folder for each of 670 images, a mask for each nucleus; a table of the same."""
    r.n_categories = 1
    rows = []
    for k in range(670):
        name = f"{k * 7919 + 12345:064x}"
        image = f"stage1_train/{name}/images/{name}.png"
        r.flat(image, alpha=True)
        for j in range(2 + k % 2):
            mask = np.zeros((48, 64), np.uint8)
            mask[5 + 12 * j : 12 + 12 * j, 6 : 14 + k % 9] = 255
            rows.append(f"{name},{run_lengths(mask)}")
            r.mask(f"stage1_train/{name}/masks/{k * 31 + j:064x}.png", image, mask)
    for k in range(65):
        r.flat(f"stage1_test/{k + 1:064x}/images/{k + 1:064x}.png", alpha=True)
    r.rows("stage1_train_labels.csv", "ImageId,EncodedPixels", rows)


def pets(r: Replica) -> None:
    """Trimaps (1 pet, 2 background, 3 border), boxes of heads, lists, and the files that macOS adds."""
    r.n_categories = 3
    names = [f"{breed}_{k}" for breed in ("Abyssinian", "american_bulldog", "Bengal") for k in range(1, 7)]
    for k, name in enumerate(names):
        image = f"images/{name}.jpg"
        r.photo(image)
        r.mask(f"annotations/trimaps/{name}.png", image, r.classes(2, first=1))
        apple = r.root / f"annotations/trimaps/._{name}.png"
        apple.write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")
        r.splits[image] = "train" if k % 2 else "test"  # the list is called trainval
        if k % 2:
            box = "<bndbox><xmin>3</xmin><ymin>4</ymin><xmax>50</xmax><ymax>40</ymax></bndbox>"
            size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
            r.text(
                f"annotations/xmls/{name}.xml",
                f"<annotation><folder>OXIIIT</folder><filename>{name}.jpg</filename>{size}<segmented>0</segmented>"
                f"<object><name>cat</name>{box}</object></annotation>",
            )
    for listed, some in (("list", names), ("trainval", names[1::2]), ("test", names[::2])):
        r.text(f"annotations/{listed}.txt", "".join(f"{name} 1 1 1\n" for name in some))


def cub(r: Replica) -> None:
    """200 folders of birds twice, masks of five annotators' agreement (0, 51, ... 255)."""
    listed: list[str] = []
    for k in range(1, 201):
        for j in range(2):
            name = f"{k:03d}.Bird_{k}/Bird_{k}_{j:04d}_{k * 7 + j}"
            image = f"CUB_200_2011/images/{name}.jpg"
            r.flat(image)
            mask = np.zeros((48, 64), np.uint8)
            for step in range(1, 6):
                mask[4 + step : 44 - step, 4 + 2 * step : 56 - 2 * step] = 51 * step
            r.mask(f"segmentations/{name}.png", image, mask)
            listed.append(f"{len(listed) + 1} {name}.jpg")
    r.text("CUB_200_2011/images.txt", "\n".join(listed) + "\n")
    r.text("CUB_200_2011/train_test_split.txt", "".join(f"{k + 1} {k % 2}\n" for k in range(len(listed))))
    r.text("CUB_200_2011/classes.txt", "".join(f"{k} {k:03d}.Bird_{k}\n" for k in range(1, 201)))


def carvana(r: Replica) -> None:
    """Cars: masks are GIF files; a table of the same."""
    rows = []
    r.n_categories = 1
    for k in range(1, 9):
        image = f"train/00087a6bd4dc_{k:02d}.jpg"
        r.photo(image)
        mask = white(r)
        r.mask(f"train_masks/00087a6bd4dc_{k:02d}_mask.gif", image, mask)
        rows.append(f"00087a6bd4dc_{k:02d}.jpg,{run_lengths(mask)}")
    r.photo("test/0004d4463b50_01.jpg", "test/0004d4463b50_02.jpg")
    r.rows("train_masks.csv", "img,rle_mask", rows)
    r.rows("metadata.csv", "id,year,make,model,trim1,trim2", ["00087a6bd4dc,2008.0,BMW,X3,,"])
    r.rows("sample_submission.csv", "img,rle_mask", ["0004d4463b50_01.jpg,1 1"])


def tgs_salt(r: Replica) -> None:
    """Salt: masks in 16 bits, a table of the same, depths."""
    rows = []
    r.n_categories = 1
    for k in range(10):
        name = f"{k * 5077 + 999:010x}"
        image = f"train/images/{name}.png"
        r.photo(image)
        mask = white_16(r) if k % 3 else np.zeros((HEIGHT, WIDTH), np.uint16)
        r.mask(f"train/masks/{name}.png", image, mask)
        rows.append(f"{name},{run_lengths(mask)}")
    r.photo("test/images/0005bb9630.png")
    r.rows("train.csv", "id,rle_mask", rows)
    r.rows("depths.csv", "id,z", ["4ac19fb269,306"])
    r.rows("sample_submission.csv", "id,rle_mask", ["0005bb9630,1 1"])


def uw_madison(r: Replica) -> None:
    """Stomach and bowels: scans in folders of days, a table whose ids are days and slices."""
    r.n_categories = 3
    rows = []
    for case in (2, 123):
        for day in (1, 20):
            for k in range(1, 5):
                stem = f"case{case}_day{day}"
                image = f"train/case{case}/{stem}/scans/slice_{k:04d}_{WIDTH}_{HEIGHT}_1.50_1.50.png"
                r.save(image, r.rng.integers(0, 9000, (HEIGHT, WIDTH)).astype(np.uint16))
                for organ in ("large_bowel", "small_bowel", "stomach"):
                    blobs = r.blobs(0.1)
                    r.areas[image].add(int(blobs.sum()))
                    rows.append(f"{stem}_slice_{k:04d},{organ},{run_lengths(blobs)}")
    r.rows("train.csv", "id,class,segmentation", rows)
    r.rows("sample_submission.csv", "id,class,predicted", [])


def voc_aug(r: Replica) -> None:
    """VOC 2012 as it is delivered, with the folder and the list of SBD's labels in VOC's form."""
    r.n_categories = 3
    root = "VOCdevkit/VOC2012"
    names = [f"2007_{k:06d}" for k in range(32, 52)]
    for k, name in enumerate(names):
        image = f"{root}/JPEGImages/{name}.jpg"
        r.photo(image)
        values = r.classes()
        r.indices(f"{root}/SegmentationClassAug/{name}.png", image, values)
        if k % 2 == 0:
            r.palette(f"{root}/SegmentationClass/{name}.png", values)
            r.palette(f"{root}/SegmentationObject/{name}.png", values)
        r.text(
            f"{root}/Annotations/{name}.xml",
            f"<annotation><folder>VOC2012</folder><filename>{name}.jpg</filename><size><width>{WIDTH}</width><height>"
            f"{HEIGHT}</height><depth>3</depth></size><segmented>1</segmented><object><name>cat</name><bndbox><xmin>3"
            "</xmin><ymin>4</ymin><xmax>50</xmax><ymax>40</ymax></bndbox></object></annotation>",
        )
    sets = f"{root}/ImageSets"
    for split, some in (("train", names[:8:2]), ("val", names[8::2]), ("trainval", names[::2])):
        r.text(f"{sets}/Segmentation/{split}.txt", "\n".join(some) + "\n")
        r.text(f"{sets}/Main/cat_{split}.txt", "".join(f"{name}  1\n" for name in some))
        r.text(f"{sets}/Main/{split}.txt", "\n".join(some) + "\n")
    r.text(f"{sets}/Segmentation/train_aug.txt", "\n".join([*names[:8], *names[9::2]]) + "\n")


def cihp(r: Replica) -> None:
    """Human parsing: categories, people and parts of them, as ids and as colours."""
    r.n_categories = 3
    for split, first, n in (("Training", 6, 6), ("Validation", 1201, 4)):
        folder = f"instance-level_human_parsing/{split}"
        for k in range(first, first + n):
            image = f"{folder}/Images/{k:07d}.jpg"
            r.photo(image)
            r.splits[image] = "train" if split == "Training" else "val"
            values, people = r.classes(), r.numbered()
            r.mask(f"{folder}/Category_ids/{k:07d}.png", image, values)
            for kind in ("Human_ids", "Instance_ids"):
                r.save(f"{folder}/{kind}/{k:07d}.png", people)
            for kind in ("Categories", "Human", "Instances"):
                r.save(f"{folder}/{kind}/{k:07d}.png", PALETTE[values])


def video_objects(r: Replica) -> None:
    """YouTube-VOS: 450 videos (of 3,471), whose objects have numbers and categories in meta.json."""
    videos = {}
    for k in range(450):
        video = f"{k * 7919:010x}"
        for frame in (0, 5):
            image = f"train/JPEGImages/{video}/{frame:05d}.jpg"
            r.flat(image)
            values = np.zeros((48, 64), np.uint8)
            values[5:15, 5 : 20 + frame] = 1
            values[25:35, 15 + frame : 40] = 2
            r.indices(f"train/Annotations/{video}/{frame:05d}.png", image, values)
        objects = {str(n): {"category": word, "frames": ["00000", "00005"]} for n, word in ((1, "cat"), (2, "dog"))}
        videos[video] = {"objects": objects}
    r.n_categories = 2
    r.text("train/meta.json", json.dumps({"videos": videos}))


def vipseg(r: Replica) -> None:
    """VIPSeg: 420 videos (of 3,536); 16 bits: a stuff's number, or a thing's number times 100 and its object."""
    names = [f"{k}_video" for k in range(420)]
    for name in names:
        for frame in (1, 2):
            image = f"VIPSeg/imgs/{name}/{frame:08d}.jpg"
            r.flat(image)
            values = np.full((48, 64), 2, np.uint16)
            values[5:15, 5 : 20 + frame] = 6101
            values[25:35, 15 + frame : 40] = 6102
            r.mask(f"VIPSeg/panomasks/{name}/{frame:08d}.png", image, values)
    categories = [{"id": k, "name": f"class {k}", "isthing": k > 50, "color": [k, 9, 9]} for k in range(124)]
    r.n_categories = 2
    r.text("VIPSeg/panoVIPSeg_categories.json", json.dumps(categories))
    for split, some in (("train", names[:300]), ("val", names[300:360]), ("test", names[360:])):
        r.text(f"VIPSeg/{split}.txt", "\n".join(some) + "\n")


def lgg(r: Replica) -> None:
    """Brain tumours: 110 folders of patients, slice and mask beside each other."""
    r.n_categories = 1
    for k in range(110):
        patient = f"TCGA_CS_{4941 + k}_19960909"
        for j in (1, 2, 10):
            image = f"kaggle_3m/{patient}/{patient}_{j}.tif"
            r.flat(image)
            mask = np.zeros((48, 64), np.uint8)
            mask[10:20, 10 : 20 + k % 9] = 255 * (j > 1)
            r.mask(f"kaggle_3m/{patient}/{patient}_{j}_mask.tif", image, mask)
    r.rows("kaggle_3m/data.csv", "Patient,RNASeqCluster,MethylationCluster", ["TCGA_CS_4941,2,4"])


def brats2021(r: Replica) -> None:
    """BraTS: 410 patients (of 1,251) with four scans and one mask each; label 3 does not exist."""
    for k in range(410):
        case = f"BraTS2021_{k:05d}"
        for scan in ("flair", "t1", "t1ce", "t2"):
            r.volume_of(f"BraTS2021_Training_Data/{case}/{case}_{scan}.nii.gz")
        values = r.organs(3)
        r.volume_of(f"BraTS2021_Training_Data/{case}/{case}_seg.nii.gz", np.where(values == 3, 4, values))
    r.n_categories = 3


def lits(r: Replica) -> None:
    """Livers: scans and labels beside each other in two batches."""
    r.n_categories = 2
    for batch, numbers_of in ((1, range(4)), (2, range(28, 32))):
        for k in numbers_of:
            r.volume_of(f"Training Batch {batch}/volume-{k}.nii")
            r.volume_of(f"Training Batch {batch}/segmentation-{k}.nii", r.organs(2))


def kits(r: Replica) -> None:
    """Kidneys: a folder for each case."""
    r.n_categories = 3
    for k in range(6):
        r.volume_of(f"data/case_{k:05d}/imaging.nii.gz")
        r.volume_of(f"data/case_{k:05d}/segmentation.nii.gz", r.organs(3))
    r.text("data/kits.json", json.dumps([{"case_id": f"case_{k:05d}", "age_at_nephrectomy": 50} for k in range(6)]))


def decathlon(r: Replica) -> None:
    """Medical Segmentation Decathlon: dataset.json, and the files that macOS adds."""
    r.n_categories = 1
    root = "Task09_Spleen"
    for k in (2, 3, 6, 8):
        r.volume_of(f"{root}/imagesTr/spleen_{k}.nii.gz")
        r.volume_of(f"{root}/labelsTr/spleen_{k}.nii.gz", r.organs(1))
        for folder in ("imagesTr", "labelsTr"):
            (r.root / f"{root}/{folder}/._spleen_{k}.nii.gz").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X")
    r.volume_of(f"{root}/imagesTs/spleen_1.nii.gz")
    training = [{"image": f"./imagesTr/spleen_{k}.nii.gz", "label": f"./labelsTr/spleen_{k}.nii.gz"}
                for k in (2, 3, 6, 8)]  # fmt: skip
    r.text(f"{root}/dataset.json", json.dumps({
        "name": "Spleen", "tensorImageSize": "3D", "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "spleen"},
        "numTraining": 4, "numTest": 1, "training": training, "test": ["./imagesTs/spleen_1.nii.gz"],
    }))  # fmt: skip


def total_segmentator(r: Replica) -> None:
    """A scan and a mask for each organ in a folder for each subject; most organs are missing in some."""
    r.n_categories = 3
    for k in range(6):
        r.volume_of(f"s{k:04d}/ct.nii.gz")
        for organ in ("adrenal_gland_left", "kidney_left", "liver"):
            r.volume_of(f"s{k:04d}/segmentations/{organ}.nii.gz", np.roll(r.organs(1), 8 * (organ == "liver"), 0))
    rows = [f"s{k:04d};50;m;KSA;ct thorax;train" for k in range(6)]
    r.rows("meta.csv", "image_id;age;gender;institute;study_type;split", rows)


def railsem(r: Replica) -> None:
    """Rails: three folders with a folder of the same name each, and the classes."""
    labels = [{"color": color, "name": f"class {k}"} for k, color in enumerate(PALETTE.tolist())]
    r.n_categories = 4
    for k in range(8):
        image = f"jpgs/rs19_val/rs{k:05d}.jpg"
        r.photo(image)
        values = r.classes()
        values[:4] = 255
        r.save(f"uint8/rs19_val/rs{k:05d}.png", values)
        value, area = np.unique(values, return_counts=True)
        r.areas[image] = set(area[value < 255].tolist())
        r.grounds[image] = {4 * WIDTH}
        objects = [{"label": "rail", "polyline-pair": [[[1, 1], [9, 9]], [[5, 1], [9, 5]]]}]
        content = {"frame": f"rs{k:05d}", "imgWidth": WIDTH, "imgHeight": HEIGHT, "objects": objects}
        r.text(f"jsons/rs19_val/rs{k:05d}.json", json.dumps(content))
    r.text("rs19-config.json", json.dumps({"version": 1.0, "labels": labels}))


def acdc_weather(r: Replica) -> None:
    """Cityscapes' classes in bad weather: conditions, splits, drives; reference images without labels."""
    for weather in ("fog", "night"):
        for split, n in (("train", 4), ("val", 3)):
            for k in range(n):
                stem = f"{weather}/{split}/GOPR0475/GOPR0475_frame_{k + 41:06d}"
                image = f"rgb_anon/{stem}_rgb_anon.png"
                r.photo(image, f"rgb_anon/{stem.replace(split, split + '_ref')}_rgb_ref_anon.png")
                r.splits[image] = split
                values = np.where(r.blobs(), 23, 7).astype(np.uint8)
                r.save(f"gt/{stem}_gt_labelIds.png", values)
                r.save(f"gt/{stem}_gt_labelTrainIds.png", np.where(values == 23, 10, 0).astype(np.uint8))
                r.save(f"gt/{stem}_gt_labelColor.png", PALETTE[values % 5])
                r.save(f"gt/{stem}_gt_invIds.png", values)
                r.areas[image] = set(np.unique(values, return_counts=True)[1].tolist())
    r.n_categories = 2


def facades(r: Replica) -> None:
    """CMP facades: photograph, palette mask and boxes in XML beside each other; classes from 1."""
    r.n_categories = 4
    for k in range(1, 9):
        image = f"base/cmp_b{k:04d}.jpg"
        r.photo(image)
        r.indices(f"base/cmp_b{k:04d}.png", image, r.classes(3, first=1))
        box = "<points><x>0.1</x><x>0.2</x><y>0.1</y><y>0.2</y></points><label>2</label><labelname>facade</labelname>"
        r.text(f"base/cmp_b{k:04d}.xml", f"<object>{box}</object>\n<object>{box}</object>\n")


def isbi_2012(r: Replica) -> None:
    """Membranes: stacks of 30 pages in one file each."""
    stacks: dict[str, list[Image.Image]] = {"train-volume": [], "train-labels": [], "test-volume": []}
    for _ in range(8):
        for name, pages in stacks.items():
            pixels = white(r) if name == "train-labels" else r.rng.integers(0, 255, (HEIGHT, WIDTH)).astype(np.uint8)
            r.volume += int((pixels > 0).sum()) if name == "train-labels" else 0
            pages.append(Image.fromarray(pixels))
    r.root.mkdir(parents=True, exist_ok=True)
    for name, pages in stacks.items():
        pages[0].save(r.root / f"{name}.tif", save_all=True, append_images=pages[1:])
    r.n_categories = 1


def nuinsseg(r: Replica) -> None:
    """Nuclei of 31 organs: numbers, and what is derived of them, in folders beside the images."""
    r.n_categories = 1
    for organ in ("human bladder", "human brain", "mouse liver"):
        for k in range(1, 5):
            stem = f"{organ.replace(' ', '_')}_{k:02d}"
            image = f"NuInsSeg/{organ}/tissue images/{stem}.png"
            r.photo(image)
            ids = r.numbered().astype(np.uint16)
            r.mask(f"NuInsSeg/{organ}/label masks modify/{stem}.tif", image, ids)
            r.save(f"NuInsSeg/{organ}/label masks/{stem}.tif", ids)
            r.save(f"NuInsSeg/{organ}/mask binary/{stem}.png", (ids > 0).astype(np.uint8) * 255)
            r.save(f"NuInsSeg/{organ}/distance maps/{stem}.png", (ids % 2 * 90).astype(np.uint8))


def superpixels(r: Replica) -> None:
    """What lies beside each photograph of ISIC 2017."""
    for k in range(8):
        r.save(f"ISIC-2017_Training_Data/ISIC_{k:07d}_superpixels.png", PALETTE[r.numbered() % 5])


def gta5(r: Replica) -> None:
    """Streets of a game: masks with a palette."""
    for k in range(1, 11):
        r.photo(f"images/{k:05d}.png")
        r.indices(f"labels/{k:05d}.png", f"images/{k:05d}.png", r.classes(3, first=1))


TRAIN, TEST, VAL = ("train", "train", range(1, 9)), ("test", "test", range(20, 24)), ("val", "val", range(30, 34))
INFO150 = "Idx\tRatio\tTrain\tVal\tStuff\tName\n" + "".join(
    f"{k}\t0.1\t9\t9\t1\t{word}\n" for k, word in enumerate(("wall", "building", "sky"), 1)
)
LAYOUTS: dict[str, tuple[str, Layout]] = {  # name: source of the layout, and what lays it out
    "dsb2018": ("S", dsb2018),
    "oxford_pets": ("M", pets),
    "cub_200": ("M", cub),
    "isic_2017": ("S", then(
        pairs("ISIC-2017_Training_Data/ISIC_{k:07d}.jpg",
              "ISIC-2017_Training_Part1_GroundTruth/ISIC_{k:07d}_segmentation.png", white, ("", "", range(8)), n=1),
        superpixels,
        files={"ISIC-2017_Training_Data/ISIC-2017_Training_Data_metadata.csv": "image_id,age,sex\nISIC_0000000,55,f\n"},
    )),
    "cvc_clinicdb": ("M", pairs("CVC-ClinicDB/Original/{k}.tif", "CVC-ClinicDB/Ground Truth/{k}.tif", white_rgb,
                                ("", "", range(1, 13)), n=1)),
    "ham10000": ("M", then(
        pairs("HAM10000_images_part_1/ISIC_{k:07d}.jpg",
              "HAM10000_segmentations_lesion_tschandl/ISIC_{k:07d}_segmentation.png", white,
              ("", "", range(24306, 24312)), n=1),
        pairs("HAM10000_images_part_2/ISIC_{k:07d}.jpg",
              "HAM10000_segmentations_lesion_tschandl/ISIC_{k:07d}_segmentation.png", white,
              ("", "", range(29306, 29312)), n=1),
        files={"HAM10000_metadata.csv": "lesion_id,image_id,dx,dx_type,age,sex\nHAM_0,ISIC_0024306,bkl,histo,80.0,m\n"},
    )),
    "carvana": ("M", carvana),
    "tgs_salt": ("M", tgs_salt),
    "severstal": ("M", then(
        table("train.csv", "ImageId,ClassId,EncodedPixels", "{k:04d}cc2.jpg,{c},{rle}",
              "train_images/{k:04d}cc2.jpg", 4, 4),
        photos=["train_images/aaa0.jpg", "test_images/0000f269f.jpg"],
        files={"sample_submission.csv": "ImageId,EncodedPixels,ClassId\n0000f269f.jpg,1 1,0\n"})),
    "airbus_ships": ("M", then(
        table("train_ship_segmentations_v2.csv", "ImageId,EncodedPixels", "{k:04d}155de.jpg,{rle}",
              "train_v2/{k:04d}155de.jpg", 1, 1, 3),
        photos=["test_v2/00dc34840.jpg"],
        files={"sample_submission_v2.csv": "ImageId,EncodedPixels\n00dc34840.jpg,\n"})),
    "clouds": ("M", then(
        table("train.csv", "Image_Label,EncodedPixels", "{k:04d}165.jpg_Kind{c},{rle}", "train_images/{k:04d}165.jpg",
              4, 4, 3),
        photos=["test_images/002f507.jpg"],
        files={"sample_submission.csv": "Image_Label,EncodedPixels\n002f507.jpg_Kind1,1 1\n"})),
    "uw_madison": ("M", uw_madison),
    "sartorius": ("M", then(
        table("train.csv",
              "id,annotation,width,height,cell_type,plate_time,sample_date,sample_id,elapsed_timedelta",
              "0030fd0e6{k},{rle},{size},shsy5y,11h30m00s,2019-06-16,shsy5y[diff]_E10-4_Vessel-714,0 days 11:30:00",
              "train/0030fd0e6{k}.png", 3, 1),
        photos=["test/7ae19de7bc2a.png", "train_semi_supervised/astro[hippo]_D1-1_Vessel-1_Ph_1.png"],
        files={"sample_submission.csv": "id,predicted\n7ae19de7bc2a,\n"})),
    "imaterialist": ("M", then(
        table("train.csv", "ImageId,EncodedPixels,Height,Width,ClassId",
              f"{{k:04d}}663e,{{rle}},{HEIGHT},{WIDTH},{{c}}",
              "train/{k:04d}663e.jpg", 3, 3),
        photos=["test/0046f98599f05fd7233973e430d6d04d.jpg"],
        files={"sample_submission.csv": "ImageId,EncodedPixels,ClassId\n0046f98599f05fd7233973e430d6d04d,1 1,1\n",
               "label_descriptions.json": json.dumps({"info": {}, "categories": [
                   {"id": k, "name": word, "supercategory": "upperbody", "level": 2}
                   for k, word in enumerate(("shirt", "top", "sweater", "coat"))], "attributes": []})})),
    "coco_2017": ("M", then(
        coco("annotations/instances_train2017.json", "train2017/{k:012d}.jpg", range(1, 13), "train"),
        coco("annotations/instances_val2017.json", "val2017/{k:012d}.jpg", range(101, 107), "val"), _captions)),
    "coco_panoptic": ("M", then(
        coco("annotations/panoptic_train2017.json", "train2017/{k:012d}.jpg", range(1, 9), "train", panoptic=True),
        coco("annotations/panoptic_val2017.json", "val2017/{k:012d}.jpg", range(101, 105), "val", panoptic=True))),
    "coco_stuff": ("M", then(
        pairs("images/{s}2017/{k:012d}.jpg", "annotations/{s}2017/{k:012d}.png", classes, TRAIN, VAL, n=4),
        files={"labels.txt": "0: unlabeled\n1: person\n2: bicycle\n3: car\n"})),
    "lvis": ("M", then(
        coco("lvis_v1_train.json", "train2017/{k:012d}.jpg", range(1, 13), "train", lvis=True),
        coco("lvis_v1_val.json", "val2017/{k:012d}.jpg", range(101, 107), "val", lvis=True))),
    "ade_challenge": ("M", then(
        pairs("ADEChallengeData2016/images/{s}ing/ADE_train_{k:08d}.jpg",
              "ADEChallengeData2016/annotations/{s}ing/ADE_train_{k:08d}.png", classes, TRAIN, n=3),
        pairs("ADEChallengeData2016/images/{s}/ADE_val_{k:08d}.jpg",
              "ADEChallengeData2016/annotations/{s}/ADE_val_{k:08d}.png", classes,
              ("validation", "val", range(1, 5)), n=3),
        files={"ADEChallengeData2016/objectInfo150.txt": INFO150,
               "ADEChallengeData2016/sceneCategories.txt": "ADE_train_00000001 airport\n"})),
    "voc_aug": ("M", voc_aug),
    "lip": ("M", then(
        pairs("LIP/TrainVal_images/{s}_images/{k}_10{k}.jpg",
              "LIP/TrainVal_parsing_annotations/{s}_segmentations/{k}_10{k}.png",
              classes, TRAIN, VAL),
        files={"LIP/train_id.txt": "1_101\n", "LIP/val_id.txt": "30_1030\n"})),
    "cihp": ("S", cihp),
    "inria": ("M", then(
        pairs("AerialImageDataset/train/images/austin{k}.tif", "AerialImageDataset/train/gt/austin{k}.tif", white,
              ("", "train", range(1, 10)), n=1),
        photos=[f"AerialImageDataset/test/images/bellingham{k}.tif" for k in (1, 2)])),
    "potsdam": ("S", then(
        pairs("Potsdam/2_Ortho_RGB/top_potsdam_2_{k}_RGB.tif",
              "Potsdam/5_Labels_all/top_potsdam_2_{k}_label.tif", colours,
              ("", "", range(10, 16)), n=4),
        photos=[f"Potsdam/3_Ortho_IRRG/top_potsdam_2_{k}_IRRG.tif" for k in range(10, 16)])),
    "massachusetts": ("M", then(
        pairs("tiff/{s}/22678915_{k}.tiff", "tiff/{s}_labels/22678915_{k}.tif", white_rgb, TRAIN, VAL, TEST, n=1),
        files={"label_class_dict.csv": "name,r,g,b\nbackground,0,0,0\nroad,255,255,255\n"})),
    "landcover_ai": ("M", then(
        pairs("images/M-33-20-D-c-4-{k}.tif", "masks/M-33-20-D-c-4-{k}.tif", classes, ("", "", range(1, 9))),
        files={"train.txt": "M-33-20-D-c-4-1_0\nM-33-20-D-c-4-2_7\n", "val.txt": "M-33-20-D-c-4-3_1\n",
               "test.txt": "M-33-20-D-c-4-4_1\n", "split.py": "import cv2\n"})),
    "kaggle_drone": ("S", pairs(
        "dataset/semantic_drone_dataset/original_images/{k:03d}.jpg",
        "dataset/semantic_drone_dataset/label_images_semantic/{k:03d}.png", classes, ("", "", range(9)))),
    "kaggle_dubai": ("M", then(
        *(pairs(f"Semantic segmentation dataset/Tile {t}/images/image_part_{{k:03d}}.jpg",
                f"Semantic segmentation dataset/Tile {t}/masks/image_part_{{k:03d}}.png", colours,
                ("", "", range(1, 5)), n=4)
          for t in range(1, 9)),
        files={"Semantic segmentation dataset/classes.json": json.dumps({"classes": [
            {"title": f"Kind {k}", "shape": "polygon", "color": "#{:02x}{:02x}{:02x}".format(*rgb)}
            for k, rgb in enumerate(PALETTE.tolist())]})})),
    "kaggle_camvid": ("M", then(
        pairs("CamVid/{s}/0001TP_{k:06d}.png", "CamVid/{s}_labels/0001TP_{k:06d}_L.png", colours,
              TRAIN, VAL, TEST, n=4),
        files={"CamVid/class_dict.csv": "name,r,g,b\n" + "".join(f"c{k},{r},{g},{b}\n" for k, (r, g, b)
                                                                 in enumerate(PALETTE.tolist()))})),
    "suim": ("M", pairs("train_val/images/d_r_{k}_.jpg", "train_val/masks/d_r_{k}_.bmp",
                        lambda r: np.array([(0, 0, 0), (0, 0, 255), (0, 255, 255), (255, 0, 0)], np.uint8)[r.classes()],
                        ("", "", range(1, 10)), n=4)),
    "kolektor": ("M", then(*(pairs(
        f"KolektorSDD/kos{f:02d}/Part{{k}}.jpg", f"KolektorSDD/kos{f:02d}/Part{{k}}_label.bmp", white,
        ("", "", range(6)), n=1)
        for f in range(1, 51)))),
    "kolektor_2": ("M", pairs("{s}/{k:05d}.png", "{s}/{k:05d}_GT.png", white, ("train", "train", range(10000, 10010)),
                              ("test", "test", range(20000, 20006)), n=1)),
    "deepcrack": ("M", pairs("DeepCrack/{s}_img/1{k}-2.jpg", "DeepCrack/{s}_lab/1{k}-2.png", white, TRAIN, TEST, n=1)),
    "duts": ("S", pairs("DUTS-{s}/DUTS-{s}-Image/ILSVRC2012_test_{k:08d}.jpg",
                        "DUTS-{s}/DUTS-{s}-Mask/ILSVRC2012_test_{k:08d}.png", white, ("TR", "", range(1, 9)),
                        ("TE", "", range(20, 24)), n=1)),
    "youtube_vos": ("M", video_objects),
    "vipseg": ("S", vipseg),
    "lgg_mri": ("M", lgg),
    "brats_2021": ("M", brats2021),
    "lits": ("M", lits),
    "kits19": ("M", kits),
    "decathlon": ("M", decathlon),
    "total_segmentator": ("M", total_segmentator),
    "railsem19": ("S", railsem),
    "acdc_weather": ("S", acdc_weather),
    "gta5": ("M", gta5),
    "comma10k": ("M", then(*(pairs(f"imgs{p}/{{k:04d}}_{{x}}_6.png", f"masks{p}/{{k:04d}}_{{x}}_6.png", colours,
                                   ("", "", range(first, first + 6)), n=4) for p, first in (("", 0), ("2", 40))))),
    "foodseg103": ("S", then(
        pairs("FoodSeg103/Images/img_dir/{s}/{k:08d}.jpg", "FoodSeg103/Images/ann_dir/{s}/{k:08d}.png", classes,
              TRAIN, TEST),
        files={"FoodSeg103/category_id.txt": "0\tbackground\n1\tcandy\n2\tegg tart\n3\tbread\n",
               "FoodSeg103/ImageSets/train.txt": "00000001.jpg\n", "FoodSeg103/ImageSets/test.txt": "00000020.jpg\n"})),
    "cmp_facades": ("S", facades),
    "isbi_2012": ("M", isbi_2012),
    "nuinsseg": ("S", nuinsseg),
    "minneapple": ("M", then(
        pairs("detection/train/images/2015091{d}_{k}_1.png", "detection/train/masks/2015091{d}_{k}_1.png", numbers,
              ("", "train", range(10, 20)), n=1),
        photos=["detection/test/images/dataset1_back_1.png"])),
}  # fmt: skip


def command(root: Path, *words: str) -> tuple[int, str]:
    """The exit code and the words of a command."""
    done = subprocess.run([sys.executable, "-m", "segdata", *words], cwd=root, capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).strip()


def errors(root: Path) -> str:
    """Findings of a dataset, errors with their messages, others counted."""
    found = segdata.validate(root).findings
    worst = [f"{one.code} {one.message}" for one in found if one.severity == "error"]
    others = ", ".join(sorted({one.code for one in found if one.severity == "warning"}))
    return f"E {worst[:4]}; W {others or 'none'}" if worst else f"no error; W {others or 'none'}"


def details(made: Replica) -> str:
    """What `judge` leaves out: splits, categories, voxels."""
    data = segdata.read(made.root)
    said = []
    files = {
        Path(uri).resolve(): split
        for uri, split in zip(data.images["uri"].fillna(""), data.images["split"], strict=True)
        if uri
    }
    wrong = [name for name, split in made.splits.items() if files.get((made.root / name).resolve()) != split]
    if wrong:
        one = files.get((made.root / wrong[0]).resolve())
        said.append(f"SPLITS {len(wrong)} of {len(made.splits)}: {one!r} for {made.splits[wrong[0]]!r}")
    column = "category" if "category" in data.segments else "category_id"
    n = data.segments[column].nunique()
    if made.n_categories and n != made.n_categories:
        said.append(f"CATEGORIES {n} for {made.n_categories}")
    if made.volume and int(data.segments["area"].sum()) != made.volume:
        said.append(f"VOXELS {int(data.segments['area'].sum())} for {made.volume}")
    if made.volume and not any(data.images["uri"].fillna("")):
        said.append("NO IMAGES")
    return "; ".join(said)


def look(made: Replica) -> str:
    """What is said of a dataset: what is read, what is not as drawn, errors."""
    said = judge(made)
    if made.volume and said.startswith("WRONG"):  # slices are images; their voxels are summed below
        said = f"read as {segdata.read(made.root).profile.format}: {len(segdata.read(made.root).images)} slices"
    if said.startswith(("refused", "FAILED")):
        return said
    return f"{said}; {details(made) or 'all as drawn'}; {errors(made.root)}"


def main(folder: Path, names: list[str]) -> None:
    """Lay out and judge every layout, as it is and after `init`."""
    for name, (source, layout) in LAYOUTS.items():
        if names and name not in names:
            continue
        made = Replica(folder / name)
        shutil.rmtree(made.root, ignore_errors=True)
        layout(made)
        start = time.monotonic()
        print(f"- {name} ({source}): {look(made)}; {time.monotonic() - start:.0f} s", flush=True)
        code, said = command(made.root, "init", ".")
        print(f"  init: {look(made) if code == 0 else said}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
